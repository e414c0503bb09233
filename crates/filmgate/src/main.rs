//! The `filmgate` program.

use std::process::ExitCode;

use clap::Parser as _;
use filmgate::cli::{self, Cli};

#[tokio::main]
async fn main() -> ExitCode {
    match cli::run(Cli::parse()).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("filmgate: {error:#}");
            ExitCode::FAILURE
        }
    }
}
