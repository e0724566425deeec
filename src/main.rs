//! The command line program.

#![deny(missing_docs)]

mod cli;

fn main() -> std::process::ExitCode {
    cli::run()
}
