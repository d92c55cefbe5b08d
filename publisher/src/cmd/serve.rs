//! `serve`: a local web server, to try a catalog.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use serde_json::json;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::low_level::pipe;

use crate::config::Config;
use crate::context::{Context, Outcome, Verdict};
use crate::failure::{Failure, Kind};
use crate::serve::{ServeError, Server};

/// What `serve` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The directory [default: the location in the configuration, where that is one]
    dir: Option<PathBuf>,
    /// The port; 0 is a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// The address to listen on
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    bind: IpAddr,
}

/// Serves a directory until Ctrl-C, and prints its URL first.
///
/// # Errors
/// When it can not listen, or the directory is none to show.
pub fn run(context: &Context, args: Args) -> Outcome {
    let dir = match args.dir {
        Some(dir) => dir,
        None => configured(context)?,
    };
    refuse_private(&dir)?;
    let server = Server::bind(&dir, SocketAddr::new(args.bind, args.port)).map_err(failure)?;
    // Both before the URL is printed: whoever reads it may stop the server at once.
    let (stop, signalled) =
        UnixStream::pair().map_err(|error| Failure::of(Kind::Failed, &error))?;
    let asked_before = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // The first lets downloads finish, the second does not wait for them.
        flag::register_conditional_default(signal, Arc::clone(&asked_before))
            .and_then(|_| flag::register(signal, Arc::clone(&asked_before)))
            .and_then(|_| signalled.try_clone())
            .and_then(|end| pipe::register(signal, end))
            .map_err(|error| Failure::of(Kind::Failed, &error).during("cannot wait for Ctrl-C"))?;
    }
    if !dir.join("metadata/timestamp.json").is_file() {
        context.ui.warn(format!(
            "{} holds no catalog (no metadata/timestamp.json)",
            dir.display()
        ));
    }
    if !args.bind.is_loopback() {
        context
            .ui
            .warn("everybody who reaches this machine can read the directory");
    }
    let url = server.url();
    context.ui.data(
        "serve",
        &json!({"url": url, "directory": dir.display().to_string()}),
        || format!("{url}\n"),
    );
    context
        .ui
        .say(format!("serving {}; Ctrl-C ends it", dir.display()));
    server
        .run(&stop, &|line| context.ui.say(line))
        .map_err(failure)?;
    Ok(Verdict::Good)
}

fn configured(context: &Context) -> Result<PathBuf, Failure> {
    let hint = "say which directory: sysext-publish serve DIR";
    let config = Config::read(&context.globals.config)
        .map_err(|error| Failure::of(Kind::Usage, &error).hint(hint))?;
    let dir = context.directory().join(&config.location);
    if dir.is_dir() {
        return Ok(dir);
    }
    let message = format!(
        "the location {:?} is no directory of this machine",
        config.location
    );
    Err(Failure::usage(message).hint(hint))
}

/// A vendor's folder holds keys; only what is in its public part is for others.
fn refuse_private(dir: &Path) -> Result<(), Failure> {
    let private = ["keys", "sysext-publish.toml"]
        .into_iter()
        .find(|name| dir.join(name).exists());
    private.map_or(Ok(()), |name| {
        let message = format!(
            "{} holds {name}: it is the folder of the vendor, and not for others to read",
            dir.display()
        );
        Err(Failure::usage(message).hint("serve the folder of the catalog in it, such as `public`"))
    })
}

fn failure(error: ServeError) -> Failure {
    match error {
        ServeError::Listen { .. } => {
            Failure::of(Kind::Failed, &error).hint("choose another --port; 0 is a free one")
        }
        ServeError::Root(error) => error.into(),
        ServeError::Wait(_) => Failure::of(Kind::Failed, &error),
    }
}
