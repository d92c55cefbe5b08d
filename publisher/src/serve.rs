//! A web server for one directory, to try a catalog before it is uploaded.
//!
//! - It reads, and never leaves its directory: each component of a path is opened beneath the one before it, no symbolic
//!   link is followed, and names that begin with a dot are not there.
//! - Everything of a client is bounded: the request's head in bytes and fields, its time to arrive, the connections at
//!   once. It takes no bodies, so there is nothing to smuggle a second request in.
//! - What a catalog needs of HTTP is there as the standard says (RFC 9110): GET and HEAD, one byte range, `If-Range` and
//!   `If-None-Match` with strong entity tags, connections that stay open. A file keeps its bytes for as long as one
//!   response lasts, since a catalog's files are replaced by renaming.
//! - A signal lets running responses finish. The next request of a connection is not answered any more.
//!
//! It has no TLS, no user names and no listing of directories: it is for one's own machine. It is written on sockets and
//! `httparse` because the small servers without asynchronous code are no longer kept: tiny_http, the usual choice, has an
//! open report of request smuggling (CVE-2026-66752).

mod connection;
mod files;
pub mod range;
pub mod request;

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use rustix::event::{PollFd, PollFlags, poll};
use sysext_durable::Dir;

/// Connections at once; the next one is told to come back.
const MAX_CONNECTIONS: usize = 64;

/// A server that listens already.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    root: Dir,
}

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The directory can not be opened.
    #[error(transparent)]
    Root(#[from] sysext_durable::Error),
    /// The address can not be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// Waiting for connections failed.
    #[error("cannot wait for connections")]
    Wait(#[source] io::Error),
}

/// What all connections share.
#[derive(Debug)]
struct Shared<'a> {
    root: &'a Dir,
    stopped: AtomicBool,
    connections: AtomicUsize,
}

/// Gets one line for each response.
pub type Log<'a> = &'a (dyn Fn(&str) + Sync);

impl Server {
    /// Listens; port 0 lets the system choose a free one.
    ///
    /// # Errors
    /// When the directory is not there, or the address is taken.
    pub fn bind(root: &Path, address: SocketAddr) -> Result<Self, ServeError> {
        let root = Dir::open(root)?;
        let failed = |source| ServeError::Listen { address, source };
        let listener = TcpListener::bind(address).map_err(failed)?;
        // Woken for a connection that is gone again, accept() must not wait.
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self {
            listener,
            address,
            root,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Answers until `stop` has something to read, or its other end is closed, and then until running responses are
    /// through.
    ///
    /// # Errors
    /// When the system does not let it wait.
    pub fn run(&self, stop: &UnixStream, log: Log<'_>) -> Result<(), ServeError> {
        let shared = Shared {
            root: &self.root,
            stopped: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
        };
        thread::scope(|scope| {
            let result = self.accept(&shared, stop, |stream, peer| {
                // The thread ends with the connection, and the scope with all threads.
                let shared = &shared;
                let serve = move || connection::serve(shared, stream, peer, log);
                thread::Builder::new().spawn_scoped(scope, serve).map(drop)
            });
            shared.stopped.store(true, Ordering::Relaxed);
            result
        })
    }

    fn accept(
        &self,
        shared: &Shared<'_>,
        stop: &UnixStream,
        start: impl Fn(TcpStream, SocketAddr) -> io::Result<()>,
    ) -> Result<(), ServeError> {
        loop {
            let mut waiting = [
                PollFd::new(stop, PollFlags::IN),
                PollFd::new(&self.listener, PollFlags::IN),
            ];
            match poll(&mut waiting, None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(ServeError::Wait(error.into())),
            }
            let [stopped, _] = &waiting;
            if !stopped.revents().is_empty() {
                return Ok(());
            }
            let Ok((stream, peer)) = self.listener.accept() else {
                // Gone again, or no more descriptors: others end, and the next round tries anew.
                thread::sleep(connection::SLICE / 50);
                continue;
            };
            if shared.connections.fetch_add(1, Ordering::Relaxed) >= MAX_CONNECTIONS
                || start(stream, peer).is_err()
            {
                // Dropping the stream is the answer: there is no thread to write another.
                shared.connections.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }
}
