//! An HTTP/1.1 server on the loopback that serves files as the standard says, until it is told to lie.
//!
//! The code is our own, without an HTTP library: a library that is good at HTTP refuses to send what these tests need,
//! and the honest half is small.
//!
//! - Without a rule it is honest: GET and HEAD, persistent connections, strong `ETag`, `Last-Modified`, `Range` with
//!   `If-Range`, `If-None-Match`, percent-encoded paths.
//! - A [`Behaviour`] is set for a path, or for all paths with a prefix, for the next N requests or for ever.
//! - Every request is in the log, with what was sent for it.
//! - At most 64 connections are served at once, others wait; a connection without a request for ten seconds is closed.
//! - Dropping the server ends everything, endless and stalled answers too, and waits until it has ended.
//! - A request target that is a whole URL is served by its path: the server also plays a proxy.
//!
//! It does not do TLS, HTTP/2, request bodies, several ranges in one answer, or listings of directories.
//!
//! ```
//! use test_repos::fault_server::{Behaviour, FaultServer, Times};
//!
//! let server = FaultServer::empty();
//! server.put("images/a.raw", b"content".to_vec());
//! server.behave("images/*", Times::Next(1), Behaviour::CutAfter { bytes: 3 });
//! let url = server.url("images/a.raw"); // the first download ends early, the next one is good
//! # assert!(url.starts_with("http://127.0.0.1:"));
//! ```

mod answer;
mod behaviour;
mod lies;
mod log;
mod request;
mod tree;
mod wire;

use std::collections::BTreeMap;
use std::io::{self, BufReader, Read as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use self::behaviour::Rules;
use self::lies::Reaction;
use self::log::Log;
use self::request::{Incoming, percent_encode};

pub use self::behaviour::{Behaviour, RangeLie, Times};
pub use self::log::Request;
pub use self::tree::Tree;

const MAX_WORKERS: usize = 64;
const IDLE: Duration = Duration::from_secs(10);

/// A running server; it ends when it is dropped.
#[derive(Debug)]
pub struct FaultServer {
    address: SocketAddr,
    listener: Arc<TcpListener>,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

impl FaultServer {
    /// Serves a map of paths to bytes, or a directory.
    ///
    /// # Panics
    /// When the loopback has no free port.
    #[must_use]
    pub fn start(tree: impl Into<Tree>) -> Self {
        let listener = Arc::new(TcpListener::bind("127.0.0.1:0").expect("a free port"));
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            tree: tree.into(),
            rules: Rules::default(),
            log: Log::default(),
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let accept = {
            let (listener, shared) = (Arc::clone(&listener), Arc::clone(&shared));
            move || accept_all(&listener, &shared)
        };
        let acceptor = thread::Builder::new()
            .name("fault-server".to_owned())
            .spawn(accept)
            .expect("a thread");
        Self {
            address,
            listener,
            shared,
            acceptor: Some(acceptor),
        }
    }

    /// Serves nothing yet.
    #[must_use]
    pub fn empty() -> Self {
        Self::start(Tree::default())
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of a path, percent-encoded; of `""` the base, with a `/` at its end.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        let path = percent_encode(path.trim_start_matches('/'));
        format!("http://{}/{path}", self.address)
    }

    /// Serves `bytes` at `path` from now on.
    pub fn put(&self, path: &str, bytes: impl Into<Vec<u8>>) {
        self.shared.tree.put(path, bytes.into());
    }

    /// Serves all of these files from now on; others stay.
    pub fn put_all(&self, files: BTreeMap<String, Vec<u8>>) {
        for (path, bytes) in files {
            self.put(&path, bytes);
        }
    }

    /// Serves nothing at `path` from now on.
    pub fn remove(&self, path: &str) {
        self.shared.tree.remove(path);
    }

    /// Misbehaves for a path, or with a `*` at the end of `pattern` for all paths that begin so. Of several rules the
    /// last one counts.
    pub fn behave(&self, pattern: &str, times: Times, behaviour: Behaviour) {
        self.shared.rules.add(pattern, times, behaviour);
    }

    /// Is honest again.
    pub fn behave_well(&self) {
        self.shared.rules.clear();
    }

    /// All requests so far, in the order of their arrival.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.shared.log.requests()
    }

    /// How many requests there were for a path, or for a prefix with a `*` at its end.
    #[must_use]
    pub fn count(&self, pattern: &str) -> usize {
        self.shared.log.matching(pattern).len()
    }

    /// How many bytes were sent after the headers, for all requests.
    #[must_use]
    pub fn bytes_sent(&self) -> u64 {
        let requests = self.shared.log.requests();
        requests.iter().map(|request| request.bytes_sent).sum()
    }

    /// How many connections there were.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.shared.log.connections()
    }

    /// Forgets requests and connections so far.
    pub fn clear_log(&self) {
        self.shared.log.clear();
    }
}

impl Drop for FaultServer {
    fn drop(&mut self) {
        self.shared.stop();
        // Ends the accept() that is waiting; Linux does so.
        let _ = rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Both);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
        self.shared.wait_for_workers();
    }
}

/// What the threads of a server share.
#[derive(Debug)]
struct Shared {
    tree: Tree,
    rules: Rules,
    log: Log,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    stopped: bool,
    /// Requests that wait for others, and how often such were let go.
    gathered: usize,
    let_go: u64,
    /// One for each worker, by the number of the connection.
    streams: BTreeMap<u64, Arc<TcpStream>>,
}

impl Shared {
    /// Fails once the server is to end.
    fn check_running(&self) -> io::Result<()> {
        if self.lock().stopped {
            return Err(io::Error::other("the server ends"));
        }
        Ok(())
    }

    /// Sleeps, but not longer than the server lives.
    fn pause(&self, duration: Duration) -> io::Result<()> {
        let end = Instant::now() + duration;
        let mut state = self.lock();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if state.stopped || left.is_zero() {
                break;
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        drop(state);
        self.check_running()
    }

    /// Waits until `requests` do so.
    fn gather(&self, requests: usize) -> io::Result<()> {
        let mut state = self.lock();
        state.gathered += 1;
        if state.gathered >= requests {
            state.gathered = 0;
            state.let_go += 1;
            self.changed.notify_all();
        } else {
            let round = state.let_go;
            let waits = |state: &mut State| !state.stopped && state.let_go == round;
            let waited = self.changed.wait_while(state, waits);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
        drop(state);
        self.check_running()
    }

    fn stop(&self) {
        let mut state = self.lock();
        state.stopped = true;
        for stream in state.streams.values() {
            let _ = stream.shutdown(Shutdown::Both);
        }
        self.changed.notify_all();
    }

    fn wait_for_workers(&self) {
        let busy = |state: &mut State| !state.streams.is_empty();
        drop(self.changed.wait_while(self.lock(), busy));
    }

    /// Waits until there is room, and registers a connection; `None` once the server is to end.
    fn admit(&self, stream: TcpStream) -> Option<(u64, Arc<TcpStream>)> {
        let full = |state: &mut State| !state.stopped && state.streams.len() >= MAX_WORKERS;
        let waited = self.changed.wait_while(self.lock(), full);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        if state.stopped {
            return None;
        }
        let (number, stream) = (self.log.connection(), Arc::new(stream));
        // By a key of its own: connection numbers start again when the log is cleared.
        let key = state.streams.last_key_value().map_or(0, |(key, _)| key + 1);
        state.streams.insert(key, Arc::clone(&stream));
        drop(state);
        Some((number, stream))
    }

    fn dismiss(&self, stream: &Arc<TcpStream>) {
        let mut state = self.lock();
        state.streams.retain(|_, other| !Arc::ptr_eq(other, stream));
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn accept_all(listener: &TcpListener, shared: &Arc<Shared>) {
    loop {
        let accepted = listener.accept();
        if shared.check_running().is_err() {
            return;
        }
        // A connection that was reset before it was accepted.
        let Ok((stream, _)) = accepted else { continue };
        let Some((connection, stream)) = shared.admit(stream) else {
            return;
        };
        let worker = Worker {
            connection,
            stream,
            shared: Arc::clone(shared),
        };
        // A thread that can not be started drops its worker, which closes the connection.
        let _ = thread::Builder::new()
            .name("fault-server-connection".to_owned())
            .spawn(move || worker.serve());
    }
}

/// One connection.
struct Worker {
    connection: u64,
    stream: Arc<TcpStream>,
    shared: Arc<Shared>,
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.shared.dismiss(&self.stream);
    }
}

impl Worker {
    fn serve(&self) {
        // The client has gone, or sent something that is no request: there is nobody to tell.
        let _ = self.answer_all();
    }

    fn answer_all(&self) -> io::Result<()> {
        self.stream.set_nodelay(true)?;
        self.stream.set_read_timeout(Some(IDLE))?;
        let mut reader = BufReader::new(&*self.stream);
        while let Some(request) = Incoming::read(&mut reader)? {
            if !self.answer(&request)? || !request.keep_alive {
                break;
            }
        }
        Ok(())
    }

    /// Answers, and returns whether the connection is still good.
    fn answer(&self, request: &Incoming) -> io::Result<bool> {
        let behaviour = self.shared.rules.take(&request.path);
        let number = self.shared.log.request(Request {
            method: request.method.clone(),
            path: request.path.clone(),
            target: request.target.clone(),
            headers: request.headers.clone(),
            status: None,
            bytes_sent: 0,
            connection: self.connection,
        });
        if let Some(Behaviour::Together { requests }) = behaviour {
            self.shared.gather(requests)?;
        }
        match lies::react(behaviour, request, &self.shared.tree, number) {
            Reaction::Answer(answer) => {
                let with_body = request.method != "HEAD";
                wire::send(&answer, with_body, &self.stream, &self.shared, number)
            }
            Reaction::Stall => {
                // Until the client goes or the server ends.
                self.stream.set_read_timeout(None)?;
                io::copy(&mut (&*self.stream).take(u64::MAX), &mut io::sink())?;
                Ok(false)
            }
            Reaction::Close => Ok(false),
        }
    }
}

#[cfg(test)]
mod tests;
