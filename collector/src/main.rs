//! The collector's program: all it does is in the library.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    parallax::cli::main()
}
