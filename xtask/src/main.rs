//! `cargo xtask`: everything a developer of filmgate runs, by name.
//!
//! Only the standard library, so that the first `cargo xtask` on a fresh machine starts at once.

use std::process::ExitCode;

mod bench;
mod ci;
mod deny;
mod environments;
mod fences;
mod mutants;
mod needs;
mod simulate;
mod soak;
mod sources;
mod suite;
mod table;
mod workspace;

use workspace::Workspace;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  test [--quick]              all tests; --quick leaves out those named `slow_` and the real clients
  clients                     makes the environments of the real clients, as `test` does
  simulate [--seeds N] [--seed S]
                              so many runs of the simulation (2,000), from seed S (0) on
  mutants [NAME]              plants mistakes in the engine; the simulation has to find each
  bench NAME                  one of load, page, routing, store; what follows `--` goes to it
  soak [--kills N] [--seed S]  kills the gateway N times (200) under load, and compares the books
  ci [STEP...]                what CI runs, or only the steps named
";

/// What the command line asked for.
#[derive(Debug, PartialEq, Eq)]
enum Command {
    Test { quick: bool },
    Clients,
    Simulate { first: u64, seeds: u64 },
    Mutants { wanted: String },
    Bench { name: String, rest: Vec<String> },
    Soak(soak::Soak),
    Ci { steps: Vec<String> },
    Help,
}

fn main() -> ExitCode {
    let command = match parse(std::env::args().skip(1).collect()) {
        Ok(command) => command,
        Err(why) => {
            eprintln!("{why}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("\nFAILED: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<(), String> {
    let here = Workspace::find()?;
    match command {
        Command::Test { quick } => suite::run(&here, quick),
        Command::Clients => match environments::prepare(&here) {
            missing if missing.is_empty() => Ok(()),
            missing => Err(missing.join("\n")),
        },
        Command::Simulate { first, seeds } => simulate::run(&here, first, seeds),
        Command::Mutants { wanted } => mutants::run(&here, &wanted),
        Command::Bench { name, rest } => bench::run(&here, &name, &rest),
        Command::Soak(soak) => soak::run(&here, &soak),
        Command::Ci { steps } => ci::run(&here.strict(), &steps),
        Command::Help => {
            print!("{USAGE}\nSteps of ci: {}\n", ci::step_names().join(" "));
            Ok(())
        }
    }
}

fn parse(args: Vec<String>) -> Result<Command, String> {
    let mut args = args.into_iter();
    let command = args.next().ok_or("no command given")?;
    let rest: Vec<String> = args.collect();
    match command.as_str() {
        "test" => match rest.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            [] => Ok(Command::Test { quick: false }),
            ["--quick"] => Ok(Command::Test { quick: true }),
            _ => Err(format!("`test` takes --quick or nothing, not `{}`", rest.join(" "))),
        },
        "clients" if rest.is_empty() => Ok(Command::Clients),
        "clients" => Err(format!("`clients` takes nothing, not `{}`", rest.join(" "))),
        "simulate" => simulation(&rest),
        "mutants" => match &rest[..] {
            [] => Ok(Command::Mutants { wanted: String::new() }),
            [wanted] => Ok(Command::Mutants { wanted: wanted.clone() }),
            _ => Err(format!("`mutants` takes one name or nothing, not `{}`", rest.join(" "))),
        },
        "bench" => {
            let (name, rest) = rest.split_first().ok_or("`bench` needs a name")?;
            bench::package_of(name)?;
            Ok(Command::Bench { name: name.clone(), rest: rest.to_vec() })
        }
        "soak" => soak::Soak::parse(&rest).map(Command::Soak),
        "ci" => match rest.iter().find(|step| !ci::step_names().contains(&step.as_str())) {
            Some(unknown) => {
                Err(format!("no step `{unknown}`; the steps are {}", ci::step_names().join(" ")))
            }
            None => Ok(Command::Ci { steps: rest }),
        },
        "help" | "--help" | "-h" => Ok(Command::Help),
        other => Err(format!("no command `{other}`")),
    }
}

fn simulation(args: &[String]) -> Result<Command, String> {
    let (mut first, mut seeds) = (0, simulate::USUAL);
    for pair in args.chunks(2) {
        let [name, value] = pair else { return Err(format!("`{}` needs a number", pair[0])) };
        let number = value.parse().map_err(|_| format!("`{value}` is no number"))?;
        match name.as_str() {
            "--seed" => first = number,
            "--seeds" => seeds = number,
            other => return Err(format!("`simulate` takes --seeds and --seed, not `{other}`")),
        }
    }
    Ok(Command::Simulate { first, seeds })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, String> {
        parse(line.split_whitespace().map(str::to_owned).collect())
    }

    #[test]
    fn commands_are_understood() {
        assert_eq!(parsed("test"), Ok(Command::Test { quick: false }));
        assert_eq!(parsed("test --quick"), Ok(Command::Test { quick: true }));
        assert_eq!(parsed("clients"), Ok(Command::Clients));
        assert_eq!(
            parsed("bench store -- 32"),
            Ok(Command::Bench { name: "store".into(), rest: vec!["--".into(), "32".into()] })
        );
        assert_eq!(parsed("simulate"), Ok(Command::Simulate { first: 0, seeds: 2_000 }));
        assert_eq!(parsed("simulate --seeds 9 --seed 7"), Ok(Command::Simulate { first: 7, seeds: 9 }));
        assert_eq!(parsed("mutants reserve"), Ok(Command::Mutants { wanted: "reserve".into() }));
        assert_eq!(parsed("ci fmt rules"), Ok(Command::Ci { steps: vec!["fmt".into(), "rules".into()] }));
    }

    #[test]
    fn misspellings_are_refused_by_name() {
        for (line, word) in [
            ("", "no command"),
            ("tset", "tset"),
            ("test --quik", "--quik"),
            ("clients litellm", "litellm"),
            ("bench", "name"),
            ("bench rooting", "rooting"),
            ("soak --kills many", "many"),
            ("soak --deaths 3", "--deaths"),
            ("simulate --seeds many", "many"),
            ("simulate --seeds", "--seeds"),
            ("simulate --sedes 3", "--sedes"),
            ("mutants a b", "a b"),
            ("ci fmt clipy", "clipy"),
        ] {
            let why = parsed(line).unwrap_err();
            assert!(why.contains(word), "`{line}` was refused with: {why}");
        }
    }
}
