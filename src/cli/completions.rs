//! `wgrad completions`: a script that completes commands and options in a shell.

use crate::Result;
use clap::CommandFactory;
use clap_complete::Shell;

use super::{Outcome, output};

#[derive(clap::Args)]
pub struct Arguments {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

pub fn run(arguments: &Arguments) -> Result<Outcome> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut super::Arguments::command(), "wgrad", &mut script);
    output::bytes(&script)?;
    Ok(Outcome::Done)
}
