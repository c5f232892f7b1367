//! `parallax-agent man` and `parallax-agent completions`: what a package takes along.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::CommandFactory;

use super::{Cli, Completions, FAILED, Man, fail};

impl Man {
    pub(super) fn run(self) -> ExitCode {
        let program = Cli::command();
        let written = match self.folder {
            Some(folder) => clap_mangen::generate_to(program, folder),
            None => clap_mangen::Man::new(program).render(&mut io::stdout()),
        };
        match written {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(FAILED, error),
        }
    }
}

impl Completions {
    pub(super) fn run(self) -> ExitCode {
        // in one piece: the library panics when whoever reads has had enough
        let mut words = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "parallax-agent", &mut words);
        match io::stdout().write_all(&words) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(FAILED, error),
        }
    }
}
