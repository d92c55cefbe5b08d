//! Why a location could not be read or written.

/// What can go wrong at a location.
#[derive(Debug, thiserror::Error)]
pub enum LocationError {
    /// A text that is no location.
    #[error(
        "{0:?} is not a location: a directory, s3://BUCKET/PREFIX, git:BRANCH, https://, http:// and file:// are possible"
    )]
    NotALocation(String),
    /// A location that can only be read.
    #[error("{0} can only be read")]
    ReadOnly(String),
    /// There is no such directory.
    #[error("{0} is not there")]
    NoSuchDirectory(String),
    /// The file system failed, or somebody holds the lock for too long.
    #[error(transparent)]
    Disk(#[from] sysext_durable::Error),
    /// A longer file than the caller reads.
    #[error("{file} is longer than the {limit} bytes that are read of it")]
    TooLong {
        /// The file.
        file: String,
        /// The bound.
        limit: u64,
    },
    /// The request failed.
    #[error("{url} can not be fetched")]
    Request {
        /// The URL.
        url: String,
        /// Why.
        source: reqwest::Error,
    },
    /// The server answered with an error.
    #[error("{url}: the server answers with status {status}")]
    Status {
        /// The URL.
        url: String,
        /// The status.
        status: u16,
    },
    /// A location of a kind that this build does not have.
    #[error("{0}: this build of sysext-publish has no object stores")]
    NotBuiltIn(String),
    /// An object store failed.
    #[error("{file}: the object store failed")]
    Object {
        /// The object.
        file: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An object store refuses.
    #[error("{file}: the object store refuses")]
    Denied {
        /// The object.
        file: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An object that was there a moment ago.
    #[error("{0} is not there any more")]
    NoSuchObject(String),
    /// Somebody else wrote what only we may write now.
    #[error("{0} was written by another publisher meanwhile")]
    Meanwhile(String),
    /// Another publisher does not end.
    #[error("{file} is held by another publisher, for {seconds} seconds already")]
    Busy {
        /// The lease.
        file: String,
        /// For how long we have waited.
        seconds: u64,
    },
    /// A store that can not keep publishers apart.
    #[error("{store} carries out writes whose condition is not met ({condition} is ignored)")]
    Careless {
        /// The store.
        store: String,
        /// Which condition.
        condition: &'static str,
    },
    /// git failed.
    #[error("git {command}: {message}")]
    Git {
        /// The subcommand.
        command: String,
        /// What it said.
        message: String,
    },
    /// No HTTP client could be made.
    #[error("no HTTP client can be made")]
    Client(#[source] reqwest::Error),
    /// Reading or writing what was opened failed.
    #[error("{file}: {source}")]
    Stream {
        /// The file.
        file: String,
        /// Why.
        source: std::io::Error,
    },
}

impl LocationError {
    /// Whether there is a file, longer than the caller reads.
    #[must_use]
    pub fn is_too_long(&self) -> bool {
        matches!(
            self,
            Self::TooLong { .. } | Self::Disk(sysext_durable::Error::TooLong { .. })
        )
    }
}
