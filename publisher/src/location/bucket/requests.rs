//! Single requests to an object store: bounded, and one after another as the rest of the program works.
//!
//! - A request has a time limit and is tried again a few times, by the library. A conditional write that was carried out
//!   although its answer was lost is refused when it is tried again: whoever asks for one must look at what is there.
//! - An object that is written is seen whole or not at all; one of many parts appears with its last step.

use std::io::Read;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::path::Path;
use object_store::{
    Attributes, ClientConfigKey, CopyOptions, Error, GetOptions, GetRange, ObjectStore,
    ObjectStoreExt as _, PutMultipartOptions, PutOptions, PutPayload, RetryConfig,
};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use super::address::Address;
use super::object::{About, Labels, Tag, When, Written};
use crate::location::LocationError;

/// Bytes that are sent, or asked for, in one request.
pub(super) const PART: u64 = 16 << 20;
/// Parts on their way at once: with the one that is read, what an upload holds in memory.
const PARALLEL: usize = 2;
/// For one request; a part at 56 kB/s.
const REQUEST: Duration = Duration::from_secs(300);
const CONNECT: Duration = Duration::from_secs(15);
/// For a request with all its retries.
const RETRIES: RetryConfig = RetryConfig {
    backoff: object_store::BackoffConfig {
        init_backoff: Duration::from_millis(100),
        max_backoff: Duration::from_secs(5),
        base: 2.,
    },
    max_retries: 4,
    retry_timeout: Duration::from_secs(60),
};
/// The longest object that a store copies in one request; the rule of S3.
const MAX_COPY: u64 = 5 << 30;
/// An object store, one request at a time.
#[derive(Debug, Clone)]
pub(super) struct Requests {
    store: Arc<dyn ObjectStore>,
    runtime: Arc<Runtime>,
    /// For messages: `s3://BUCKET/`.
    name: String,
}

impl Requests {
    /// The store that the environment names.
    pub(super) fn of_environment(address: &Address) -> Result<Self, LocationError> {
        crate::location::tls_provider();
        let client = |key, value: String| (AmazonS3ConfigKey::Client(key), value);
        let ours = [
            client(ClientConfigKey::Timeout, format!("{}s", REQUEST.as_secs())),
            client(
                ClientConfigKey::ConnectTimeout,
                format!("{}s", CONNECT.as_secs()),
            ),
            client(
                ClientConfigKey::UserAgent,
                concat!("sysext-publish/", env!("CARGO_PKG_VERSION")).to_owned(),
            ),
        ];
        let environment = AmazonS3Builder::from_env();
        let builder = ours
            .into_iter()
            .fold(environment, |builder, (key, value)| {
                builder.with_config(key, value)
            })
            .with_bucket_name(&address.bucket)
            .with_retry(RETRIES);
        let name = format!("s3://{}/", address.bucket);
        let store = builder
            .build()
            .map_err(|error| failed(&name, "the store", error))?;
        Self::over(Arc::new(store), name)
    }

    /// Another store, with the name it has in messages.
    pub(super) fn over(store: Arc<dyn ObjectStore>, name: String) -> Result<Self, LocationError> {
        // One thread beside this one, for what goes on while this one reads or waits.
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(|source| LocationError::Stream {
                file: name.clone(),
                source,
            })?;
        Ok(Self {
            store,
            runtime: Arc::new(runtime),
            name,
        })
    }

    /// Lets something go on beside this thread, for as long as the runtime is there.
    pub(super) fn beside(&self, work: impl Future<Output = ()> + Send + 'static) {
        drop(self.runtime.spawn(work));
    }

    /// An object of at most `limit` bytes.
    pub(super) fn get(
        &self,
        key: &Path,
        limit: u64,
    ) -> Result<Option<(Vec<u8>, About)>, LocationError> {
        self.runtime.block_on(self.get_beside(key, limit))
    }

    /// The same, to be waited for by something else.
    pub(super) async fn get_beside(
        &self,
        key: &Path,
        limit: u64,
    ) -> Result<Option<(Vec<u8>, About)>, LocationError> {
        let Some(result) = self.found(key, self.store.get(key).await)? else {
            return Ok(None);
        };
        let about = About::from(&result);
        if about.length > limit {
            return Err(LocationError::TooLong {
                file: self.url(key),
                limit,
            });
        }
        let bytes = self.found(key, result.bytes().await)?;
        Ok(bytes.map(|bytes| (bytes.to_vec(), about)))
    }

    /// A part of an object that still is the one with this tag.
    pub(super) fn part(
        &self,
        key: &Path,
        tag: &Tag,
        range: Range<u64>,
    ) -> Result<Vec<u8>, LocationError> {
        let options = GetOptions {
            range: Some(GetRange::Bounded(range)),
            if_match: tag.entity_tag(),
            ..GetOptions::default()
        };
        let bytes = self
            .runtime
            .block_on(async { self.store.get_opts(key, options).await?.bytes().await });
        bytes
            .map(|bytes| bytes.to_vec())
            .map_err(|error| failed(&self.name, key.as_ref(), error))
    }

    /// What is known of an object.
    pub(super) fn look(&self, key: &Path) -> Result<Option<About>, LocationError> {
        let options = GetOptions {
            head: true,
            ..GetOptions::default()
        };
        let asked = self.runtime.block_on(self.store.get_opts(key, options));
        let asked = asked.map(|result| About::from(&result));
        self.found(key, asked)
    }

    /// Writes an object in one request.
    pub(super) fn put(
        &self,
        key: &Path,
        bytes: Vec<u8>,
        when: &When,
        labels: &Labels,
    ) -> Result<Written, LocationError> {
        self.runtime
            .block_on(self.put_beside(key, bytes, when, labels))
    }

    /// The same, to be waited for by something else.
    pub(super) async fn put_beside(
        &self,
        key: &Path,
        bytes: Vec<u8>,
        when: &When,
        labels: &Labels,
    ) -> Result<Written, LocationError> {
        let options = PutOptions {
            mode: when.into(),
            attributes: labels.into(),
            ..PutOptions::default()
        };
        let put = self
            .store
            .put_opts(key, PutPayload::from(bytes), options)
            .await;
        match put {
            Ok(result) => Ok(Written::Done(result.into())),
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. })
                if *when != When::Always =>
            {
                Ok(Written::Refused)
            }
            Err(error) => Err(failed(&self.name, key.as_ref(), error)),
        }
    }

    /// Writes an object of `length` bytes in as many requests as it needs, over what is there.
    pub(super) fn put_parts(
        &self,
        key: &Path,
        from: &mut dyn Read,
        length: u64,
        labels: &Labels,
    ) -> Result<(), LocationError> {
        let failed = |error| failed(&self.name, key.as_ref(), error);
        let options = PutMultipartOptions::from(Attributes::from(labels));
        let started = self
            .runtime
            .block_on(self.store.put_multipart_opts(key, options));
        let mut upload = started.map_err(failed)?;
        let mut parts = JoinSet::new();
        let mut rest = length;
        let sent = loop {
            if rest == 0 {
                break self.await_parts(&mut parts, 0);
            }
            let mut bytes = Vec::new();
            let part = rest.min(PART);
            if let Err(source) = from.take(part).read_to_end(&mut bytes) {
                break Err(Error::Generic {
                    store: "the local copy",
                    source: Box::new(source),
                });
            }
            if bytes.len() as u64 != part {
                break Err(Error::Generic {
                    store: "the local copy",
                    source: format!("it ends {rest} bytes too early").into(),
                });
            }
            rest -= part;
            let part = upload.put_part(PutPayload::from(bytes));
            parts.spawn_on(part, self.runtime.handle());
            if let Err(error) = self.await_parts(&mut parts, PARALLEL - 1) {
                break Err(error);
            }
        };
        let complete = sent.and_then(|()| self.runtime.block_on(upload.complete()).map(drop));
        complete.map_err(|error| {
            // Nobody sees the parts; the store would keep them all the same.
            let _ = self.runtime.block_on(upload.abort());
            failed(error)
        })
    }

    /// Waits until at most `left` of the parts are on their way.
    fn await_parts(
        &self,
        parts: &mut JoinSet<object_store::Result<()>>,
        left: usize,
    ) -> object_store::Result<()> {
        while parts.len() > left {
            if let Some(part) = self.runtime.block_on(parts.join_next()) {
                part??;
            }
        }
        Ok(())
    }

    /// Gives an object a second key, without bringing its bytes here where the store can do that.
    pub(super) fn copy(
        &self,
        from: &Path,
        to: &Path,
        labels: &Labels,
    ) -> Result<(), LocationError> {
        let missing = || LocationError::NoSuchObject(self.url(from));
        let about = self.look(from)?.ok_or_else(missing)?;
        if about.length > MAX_COPY {
            let mut reader = super::arriving::Parts::new(self.clone(), from.clone(), about.clone());
            return self.put_parts(to, &mut reader, about.length, labels);
        }
        self.runtime
            .block_on(self.store.copy_opts(from, to, CopyOptions::default()))
            .map_err(|error| failed(&self.name, to.as_ref(), error))
    }

    /// Removes an object; nothing happens where there is none.
    pub(super) fn delete(&self, key: &Path) -> Result<(), LocationError> {
        let deleted = self.runtime.block_on(self.store.delete(key));
        self.found(key, deleted).map(drop)
    }

    /// How an object is named in messages.
    pub(super) fn url(&self, key: &Path) -> String {
        format!("{}{key}", self.name)
    }

    fn found<T>(
        &self,
        key: &Path,
        asked: object_store::Result<T>,
    ) -> Result<Option<T>, LocationError> {
        match asked {
            Ok(found) => Ok(Some(found)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed(&self.name, key.as_ref(), error)),
        }
    }
}

fn failed(store: &str, key: &str, error: Error) -> LocationError {
    let file = format!("{store}{key}");
    match error {
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => LocationError::Denied {
            file,
            source: Box::new(error),
        },
        error => LocationError::Object {
            file,
            source: Box::new(error),
        },
    }
}
