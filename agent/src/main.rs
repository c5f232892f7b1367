//! The agent's binary: arguments, logs, one thread, exit code.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use parallax_agent::cli::Cli;
use tracing_subscriber::EnvFilter;

fn main() -> anyhow::Result<ExitCode> {
    one_heap();
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

/// glibc gives every thread a heap of its own, and whatever one thread allocates and another frees (each
/// result, on its way to the disk) is kept in both: half of what an agent with
/// a thousand targets held in its heaps was that.
#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "no crate of ours wraps mallopt")]
fn one_heap() {
    // SAFETY: there is no other thread yet; it takes two numbers by value, and what it does not know it refuses.
    unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) };
}

/// Other systems' allocators have one.
#[cfg(not(target_env = "gnu"))]
fn one_heap() {}
