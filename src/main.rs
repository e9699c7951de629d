//! The command line, nothing else.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use caseward::case::actor::Role;
use caseward::commands;
use caseward::commands::backup::Task;
use caseward::intake::classify::OperatingPoint;
use clap::{CommandFactory, Parser, Subcommand};

/// Turns an HR mailbox into a case register that a court could read.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Everything on this machine, nothing configured: sample mailbox, API.
    Demo {
        /// Address of the API.
        #[arg(long, default_value = "127.0.0.1:8480")]
        listen: SocketAddr,
        /// Where the demo keeps its register and mailbox.
        #[arg(long, default_value = "demo-data")]
        dir: PathBuf,
    },
    /// The daemon.
    Serve {
        #[command(flatten)]
        config: Config,
    },
    /// Look at everything the daemon needs and say what is wrong and how to fix it. Changes nothing.
    Check {
        /// Only the settings and the files they name; no database, no server.
        #[arg(long = "settings")]
        settings_only: bool,
        #[command(flatten)]
        config: Config,
    },
    /// Print how messages are understood: one JSON object per message.
    Parse {
        /// Files that hold one message each.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Print what the classifier says of messages: one JSON object per message.
    #[command(args_conflicts_with_subcommands = true)]
    Classify {
        #[command(subcommand)]
        learning: Option<Learning>,
        /// Files that hold one message each.
        #[arg(required_unless_present = "jsonl")]
        files: Vec<PathBuf>,
        /// A file with one object a line: id, subject, body, from_name.
        #[arg(long, conflicts_with = "files")]
        jsonl: Option<PathBuf>,
        /// A directory with a classifier other than the built-in one.
        #[arg(long)]
        rules: Option<PathBuf>,
        #[arg(long, default_value = "cautious", value_parser = point)]
        point: OperatingPoint,
    },
    /// Take in existing mail, with a progress bar; no acknowledgements.
    Import {
        format: commands::import::Format,
        path: PathBuf,
        /// The mailbox it belongs to; the first of the settings otherwise.
        #[arg(long)]
        mailbox: Option<String>,
        #[command(flatten)]
        config: Config,
    },
    /// Users and their first token.
    #[command(subcommand)]
    User(User),
    /// The list of employees.
    #[command(subcommand)]
    Directory(Directory),
    /// The master key.
    #[command(subcommand)]
    Key(Key),
    /// A verified copy of the register, while the daemon runs. PostgreSQL: before and after pg_dump.
    Backup {
        /// The new file (SQLite).
        #[arg(required_unless_present_any = ["begin", "verify"])]
        file: Option<PathBuf>,
        /// PostgreSQL: mark that pg_dump is about to run.
        #[arg(long, conflicts_with_all = ["file", "verify"])]
        begin: bool,
        /// Open a copy restored into this database, and note that it is a backup to rely on.
        #[arg(long, value_name = "URL", conflicts_with = "file")]
        verify: Option<String>,
        #[command(flatten)]
        config: Config,
    },
    /// Put a backup in the place of a register that is lost (SQLite); overwrites nothing.
    Restore {
        file: PathBuf,
        #[command(flatten)]
        config: Config,
    },
    /// The log of all that was done: verify, export, prove.
    #[command(subcommand)]
    Audit(Audit),
    /// Understand one mail on standard input and say nothing; for the daemon.
    #[command(hide = true)]
    Probe,
    /// Print the OpenAPI document of the API.
    Openapi,
    /// Write the manual pages and the completions of shells, for packages.
    #[command(hide = true)]
    Generate {
        /// Where `man/` and `completions/` are made.
        dir: PathBuf,
    },
}

#[derive(Subcommand)]
enum Learning {
    /// Make a model of the labelled mails, and adopt it unless it is worse.
    Train {
        /// The classifier's directory, with `examples/`.
        #[arg(long, default_value = "config/classifier")]
        dir: PathBuf,
    },
    /// Print how good it is on mails held back: confusion, languages, calibration, and the trade-off as an SVG.
    Evaluate {
        #[arg(long, default_value = "config/classifier")]
        dir: PathBuf,
        #[arg(long, default_value = "cautious", value_parser = point)]
        point: OperatingPoint,
        /// Where to draw sensitive mails found against false alarms.
        #[arg(long)]
        svg: Option<PathBuf>,
    },
}

/// `cautious`, `balanced` or `quiet`.
fn point(text: &str) -> Result<OperatingPoint, String> {
    text.parse()
}

#[derive(clap::Args)]
struct Config {
    /// The settings file; $CASEWARD_CONFIG or /etc/caseward/caseward.toml otherwise.
    #[arg(long)]
    config: Option<PathBuf>,
}

#[derive(Subcommand)]
enum User {
    /// Add a user.
    Add {
        login: String,
        #[arg(long)]
        name: Option<String>,
        #[arg(long)]
        email: Option<String>,
        /// agent, lead, investigator, auditor or admin; may be given more than once.
        #[arg(long = "role", required = true, value_parser = |text: &str| text.parse::<Role>())]
        roles: Vec<Role>,
        /// All teams of the settings when none is given.
        #[arg(long = "team")]
        teams: Vec<String>,
        #[arg(long = "legal-entity")]
        entities: Vec<String>,
        /// Print an API token; it is shown once.
        #[arg(long)]
        token: bool,
        #[command(flatten)]
        config: Config,
    },
}

#[derive(Subcommand)]
enum Directory {
    /// Show what a CSV file would change in the list, and replace the list by it.
    Import {
        path: PathBuf,
        /// Change it without asking; without a terminal nothing is changed otherwise.
        #[arg(long)]
        apply: bool,
        #[command(flatten)]
        config: Config,
    },
}

#[derive(Subcommand)]
enum Key {
    /// Make a new master key.
    New {
        #[arg(default_value = "master.key")]
        path: PathBuf,
    },
    /// Change to a new master key while the daemon runs; interrupted, it goes on where it was.
    Rotate {
        /// The file of the new key; made if it is not there.
        #[arg(required_unless_present = "finish")]
        path: Option<PathBuf>,
        /// All daemons run with the new key: let the old one open nothing any more.
        #[arg(long, conflicts_with = "path")]
        finish: bool,
        #[command(flatten)]
        config: Config,
    },
    /// Print how the keys stand.
    Status {
        #[command(flatten)]
        config: Config,
    },
    /// Verify that a file is a good copy of the master key in use.
    VerifyCopy {
        path: PathBuf,
        #[command(flatten)]
        config: Config,
    },
    /// Have all cases indexed anew for search.
    Reindex {
        #[command(flatten)]
        config: Config,
    },
}

fn key(command: Key) -> ExitCode {
    use commands::key;
    match command {
        Key::New { path } => key::new(&path),
        Key::Rotate { path: Some(path), config, .. } => key::rotate(config.config.as_deref(), &path),
        Key::Rotate { path: None, config, .. } => key::finish(config.config.as_deref()),
        Key::Status { config } => key::show(config.config.as_deref()),
        Key::VerifyCopy { path, config } => key::verify_copy(config.config.as_deref(), &path),
        Key::Reindex { config } => key::reindex(config.config.as_deref()),
    }
}

#[derive(Subcommand)]
enum Audit {
    /// Verify every entry: of the register, or of an export or a proof with the public key alone.
    Verify {
        /// What `audit export` or `audit prove` wrote; the register otherwise.
        what: Option<PathBuf>,
        /// The log's public key as `audit key` prints it, or a file that holds it.
        #[arg(long)]
        key: Option<String>,
        /// A checkpoint that was kept elsewhere, such as a witness's; may be given more than once.
        #[arg(long = "checkpoint")]
        checkpoints: Vec<PathBuf>,
        #[command(flatten)]
        config: Config,
    },
    /// Write the log: to a file if the name has an extension, to a directory of tiles (C2SP tlog-tiles) otherwise.
    Export {
        path: PathBuf,
        #[command(flatten)]
        config: Config,
    },
    /// Print the proof that an entry stands in the log.
    Prove {
        /// Its id or its place.
        entry: String,
        #[command(flatten)]
        config: Config,
    },
    /// Print all entries of a case with their details. This is entered, too.
    Show {
        /// The case's reference.
        #[arg(long)]
        case: String,
        #[command(flatten)]
        config: Config,
    },
    /// Print the public key, which is all that somebody outside needs to verify the log.
    Key {
        #[command(flatten)]
        config: Config,
    },
}

fn audit(command: Audit) -> ExitCode {
    use commands::audit;
    match command {
        Audit::Verify { what, key, checkpoints, config } => {
            let asked =
                audit::Verify { what: what.as_deref(), key: key.as_deref(), checkpoints: &checkpoints };
            audit::verify(config.config.as_deref(), &asked)
        }
        Audit::Export { path, config } => audit::export(config.config.as_deref(), &path),
        Audit::Prove { entry, config } => audit::prove(config.config.as_deref(), &entry),
        Audit::Show { case, config } => audit::show(config.config.as_deref(), &case),
        Audit::Key { config } => audit::key(config.config.as_deref()),
    }
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Demo { listen, dir } => commands::demo::run(listen, &dir),
        Command::Serve { config } => commands::serve::run(config.config.as_deref()),
        Command::Check { settings_only, config } => {
            commands::check::run(config.config.as_deref(), settings_only)
        }
        Command::Parse { files } => commands::parse::run(&files),
        Command::Classify { learning: Some(Learning::Train { dir }), .. } => {
            commands::classify_learn::train(&dir)
        }
        Command::Classify { learning: Some(Learning::Evaluate { dir, point, svg }), .. } => {
            commands::classify_learn::evaluate(&dir, point, svg.as_deref())
        }
        Command::Classify { learning: None, files, jsonl, rules, point } => {
            commands::classify::run(&files, jsonl.as_deref(), rules.as_deref(), point)
        }
        Command::Import { format, path, mailbox, config } => {
            commands::import::run(config.config.as_deref(), format, &path, mailbox.as_deref())
        }
        Command::User(User::Add { login, name, email, roles, teams, entities, token, config }) => {
            let name = name.unwrap_or_else(|| login.clone());
            let new = commands::user::New { login, name, email, roles, teams, entities, token };
            commands::user::add(config.config.as_deref(), new)
        }
        Command::Directory(Directory::Import { path, apply, config }) => {
            commands::directory::import(config.config.as_deref(), &path, apply)
        }
        Command::Key(command) => key(command),
        Command::Backup { file, begin: _, verify, config } => {
            let task = match (&file, &verify) {
                (Some(file), _) => Task::Copy(file),
                (None, Some(url)) => Task::Verify(url),
                (None, None) => Task::Begin,
            };
            commands::backup::run(config.config.as_deref(), task)
        }
        Command::Restore { file, config } => commands::restore::run(config.config.as_deref(), &file),
        Command::Audit(command) => audit(command),
        Command::Probe => commands::probe::run(),
        Command::Openapi => commands::openapi(),
        Command::Generate { dir } => commands::generate::run(Arguments::command(), &dir),
    }
}
