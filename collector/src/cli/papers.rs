//! `parallax man` and `parallax completions`: what a package takes along.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::CommandFactory;
use clap_complete::Shell;

use super::{Cli, Failure};

/// Arguments of `man`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  parallax man | man -l -
  parallax man /usr/share/man/man1")]
pub(super) struct Man {
    /// Folder to write the pages of all commands to; without it, the program's own page is printed
    folder: Option<PathBuf>,
}

/// Arguments of `completions`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  parallax completions bash > /etc/bash_completion.d/parallax")]
pub(super) struct Completions {
    /// For which shell
    shell: Shell,
}

pub(super) fn man(args: &Man) -> Result<(), Failure> {
    match &args.folder {
        Some(folder) => clap_mangen::generate_to(Cli::command(), folder)?,
        None => clap_mangen::Man::new(Cli::command()).render(&mut io::stdout())?,
    }
    Ok(())
}

pub(super) fn completions(args: &Completions) -> Result<(), Failure> {
    // in one piece: the library panics when whoever reads has had enough
    let mut words = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "parallax", &mut words);
    Ok(io::stdout().write_all(&words)?)
}
