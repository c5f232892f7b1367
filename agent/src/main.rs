//! The agent's binary: arguments, logs, one thread, exit code.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use parallax_agent::cli::Cli;
use tracing_subscriber::EnvFilter;

fn main() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .with_env_filter(
            EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info")),
        )
        .init();
    // looks wait, they do not compute: one thread is enough, and the disk has its own
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .build()?;
    let code = runtime.block_on(cli.run());
    // a disk that hangs must not hold up the end
    runtime.shutdown_background();
    Ok(code)
}
