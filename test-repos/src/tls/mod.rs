//! A server at `https://`: TLS in front of a [`FaultServer`](crate::fault_server::FaultServer), with all its lies.
//!
//! - Its certificate, for 127.0.0.1 until 2120, is signed by its own key, which is that of a seed that everybody knows:
//!   a client trusts it by [`CERTIFICATE`] and by nothing else. It was made once, with `openssl ca -selfsign`.
//! - One request for each connection: what comes in goes on as it is, and what comes back too.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// The certificate, as PEM.
pub const CERTIFICATE: &str = include_str!("certificate.pem");
const SEED: [u8; 32] = [7; 32];
/// What stands before the seed in an Ed25519 key as PKCS#8 (RFC 8410, 7).
const PKCS8: &[u8] = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
/// How long a client may take for its request, and the server behind for its answer.
const PATIENCE: Duration = Duration::from_secs(10);
const MAX_HEAD: usize = 64 << 10;

/// TLS in front of a server.
#[derive(Debug)]
pub struct TlsFront {
    address: SocketAddr,
    ended: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

impl TlsFront {
    /// In front of the server at `behind`, on a free port of 127.0.0.1.
    #[must_use]
    pub fn start(behind: SocketAddr) -> Self {
        let certificate = CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).unwrap();
        let key = PrivatePkcs8KeyDer::from([PKCS8, &SEED].concat());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key.into())
            .unwrap();
        let config = Arc::new(config);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let ended = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&ended);
        let accepting = thread::spawn(move || {
            for stream in listener.incoming() {
                if is_over.load(Ordering::SeqCst) {
                    return;
                }
                let config = Arc::clone(&config);
                // A client that goes away, or does not trust us, is the client's business.
                thread::spawn(move || stream.and_then(|stream| pass_on(stream, config, behind)));
            }
        });
        Self {
            address,
            ended,
            accepting: Some(accepting),
        }
    }

    /// The URL of a path.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("https://{}/{}", self.address, path.trim_start_matches('/'))
    }
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        drop(TcpStream::connect(self.address));
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

fn pass_on(client: TcpStream, config: Arc<ServerConfig>, behind: SocketAddr) -> io::Result<()> {
    client.set_read_timeout(Some(PATIENCE))?;
    let connection = ServerConnection::new(config).map_err(io::Error::other)?;
    let mut client = StreamOwned::new(connection, client);
    let mut head = Vec::new();
    let mut buffer = [0; 4096];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") && head.len() < MAX_HEAD {
        match client.read(&mut buffer)? {
            0 => return Ok(()),
            count => head.extend(&buffer[..count]),
        }
    }
    let mut server = TcpStream::connect(behind)?;
    server.set_read_timeout(Some(PATIENCE))?;
    server.write_all(&head)?;
    // No second request: the server ends the connection after its answer.
    server.shutdown(Shutdown::Write)?;
    io::copy(&mut server, &mut client)?;
    client.conn.send_close_notify();
    client.flush()
}
