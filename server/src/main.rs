//! The binary `roomtone`: reads what was typed and runs it.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use roomtone_server::cli::{Cli, Command, ConfigCommand};
use roomtone_server::config::Config;
use roomtone_server::server::Server;
use roomtone_server::{logs, operator, signals};

/// Rooms allocate and free in bursts; this one gives memory back to the system, as `.cargo/config.toml` tells it to.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Serve(args) => match Config::read(*args) {
            Ok(config) => serve(config),
            Err(error) => fail(&format!("configuration: {error}")),
        },
        Command::Config {
            command: ConfigCommand::Check(args),
        } => match Config::read(*args) {
            Ok(config) => {
                say(&config.describe());
                for warning in &config.warnings {
                    say(&format!("warning: {warning}"));
                }
                ExitCode::SUCCESS
            }
            Err(error) => fail(&format!("configuration: {error}")),
        },
        Command::Health { listen } => finish(operator::health(listen).map(|()| "healthy".to_owned())),
        Command::Nodes(args) => finish(operator::nodes(&args)),
        Command::Drain(args) => match operator::drain(&args, say) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&format!("{error:#}")),
        },
    }
}

fn serve(config: Config) -> ExitCode {
    if let Err(error) = logs::start(&config.log, config.log_format) {
        return fail(&format!("configuration: log: {error}"));
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(config.workers)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("the runtime cannot start: {error}")),
    };
    let result = runtime.block_on(async {
        let stop = signals::watch()?;
        let mut stopped = stop.clone();
        let server = tokio::select! {
            server = Server::start(&config) => server?,
            // It may be waiting for its store.
            _ = stopped.wait_for(|stop| *stop) => return Ok(()),
        };
        let address = server.address()?;
        for warning in &config.warnings {
            tracing::warn!("{warning}");
        }
        tracing::info!(%address, store = %config.store, "listening");
        say(&format!("roomtone is listening on http://{address}"));
        server.run(stop).await;
        anyhow::Ok(())
    });
    // What still runs on blocking threads has nothing left to save.
    runtime.shutdown_timeout(Duration::from_millis(100));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&format!("{error:#}")),
    }
}

/// What a command has to say, or why it has nothing.
fn finish(said: anyhow::Result<String>) -> ExitCode {
    match said {
        Ok(text) => {
            say(&text);
            ExitCode::SUCCESS
        }
        Err(error) => fail(&format!("{error:#}")),
    }
}

/// Standard output belongs to what was asked for; logs go to standard error.
fn say(text: &str) {
    // A closed pipe is the reader's choice.
    let _ = writeln!(std::io::stdout(), "{text}");
}

fn fail(text: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "roomtone: {text}");
    ExitCode::FAILURE
}
