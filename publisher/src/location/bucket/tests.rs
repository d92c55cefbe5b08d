//! What only a store that fails, lies or is shared can show; the real one is in `ci/e2e/90-object-store.sh`.

use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use sysext_formats::role::MetadataVersion;

use super::*;

/// A store in memory that can be told to misbehave.
#[derive(Debug, Default)]
struct Unruly {
    inner: InMemory,
    /// Conditions are not looked at.
    careless: AtomicBool,
    /// Which write is carried out and not answered; 0 for none.
    unanswered: AtomicU64,
    /// Writes whose key is that of the lease fail.
    no_renewal: AtomicBool,
    /// Parts of uploads fail from the second one on.
    no_parts: AtomicBool,
    writes: AtomicU64,
}

impl std::fmt::Display for Unruly {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an unruly store")
    }
}

fn broken() -> Error {
    Error::Generic {
        store: "unruly",
        source: "the connection broke".into(),
    }
}

#[async_trait]
impl ObjectStore for Unruly {
    async fn put_opts(
        &self,
        key: &Path,
        payload: PutPayload,
        mut options: PutOptions,
    ) -> Result<PutResult> {
        let is_lease = key.as_ref().ends_with(LEASE);
        if is_lease && self.no_renewal.load(Ordering::Relaxed) {
            return Err(broken());
        }
        if self.careless.load(Ordering::Relaxed) {
            options.mode = PutMode::Overwrite;
        }
        let result = self.inner.put_opts(key, payload, options).await;
        if !is_lease {
            let write = self.writes.fetch_add(1, Ordering::Relaxed) + 1;
            if write == self.unanswered.load(Ordering::Relaxed) {
                return Err(broken());
            }
        }
        result
    }

    async fn put_multipart_opts(
        &self,
        key: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let inner = self.inner.put_multipart_opts(key, options).await?;
        let fails = self.no_parts.load(Ordering::Relaxed);
        Ok(Box::new(Parts {
            inner,
            fails,
            sent: 0,
        }))
    }

    async fn get_opts(&self, key: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(key, options).await
    }

    fn delete_stream(
        &self,
        keys: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(keys)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

#[derive(Debug)]
struct Parts {
    inner: Box<dyn MultipartUpload>,
    fails: bool,
    sent: u32,
}

#[async_trait]
impl MultipartUpload for Parts {
    fn put_part(&mut self, data: PutPayload) -> object_store::UploadPart {
        self.sent += 1;
        if self.fails && self.sent > 1 {
            return Box::pin(async { Err(broken()) });
        }
        self.inner.put_part(data)
    }

    async fn complete(&mut self) -> Result<PutResult> {
        self.inner.complete().await
    }

    async fn abort(&mut self) -> Result<()> {
        self.inner.abort().await
    }
}

/// The same store for as many publishers as are wanted.
fn publisher(store: &Arc<Unruly>, options: &str) -> Bucket {
    let address = Address::parse(&format!("bucket/catalog{options}")).unwrap();
    let store: Arc<dyn ObjectStore> = Arc::clone(store) as Arc<dyn ObjectStore>;
    Bucket::over(
        &address,
        Requests::over(store, "s3://bucket/".to_owned()).unwrap(),
    )
}

fn snapshot() -> Place {
    Place::Metadata(RemoteFile::Snapshot(Some(MetadataVersion::ONE)))
}

fn timestamp() -> Place {
    Place::Metadata(RemoteFile::Timestamp)
}

fn image() -> Place {
    Place::Image("k3s_1_x86-64.raw".parse().unwrap())
}

fn arriving(bucket: &Bucket, bytes: &[u8]) -> Box<dyn Incoming> {
    let mut file = bucket.incoming(&image()).unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn read(bucket: &Bucket, place: &Place) -> Option<Vec<u8>> {
    bucket.read(place, u64::MAX).unwrap()
}

/// As if killed: nothing is renewed any more, and nothing removed.
fn kill(exclusive: Option<Exclusive>, bucket: &Bucket) {
    bucket.turn.held().unwrap().stop();
    std::mem::forget(exclusive);
}

#[test]
fn the_timestamp_is_swapped_only_from_what_was_read_and_by_whom_the_lease_is() {
    let store = Arc::new(Unruly::default());
    let bucket = publisher(&store, "");
    let digest = |bytes: &[u8]| Some(Sha256Digest::of(bytes));
    assert_eq!(bucket.swap_timestamp(None, b"1").unwrap(), Swap::Lost);
    let lease = bucket.exclusive().unwrap();
    assert_eq!(
        bucket.swap_timestamp(digest(b"0"), b"1").unwrap(),
        Swap::Lost
    );
    assert_eq!(bucket.swap_timestamp(None, b"1").unwrap(), Swap::Done);
    assert_eq!(bucket.swap_timestamp(None, b"2").unwrap(), Swap::Lost);
    assert_eq!(
        bucket.swap_timestamp(digest(b"1"), b"2").unwrap(),
        Swap::Done
    );
    drop(lease);
    assert_eq!(
        bucket.swap_timestamp(digest(b"2"), b"3").unwrap(),
        Swap::Lost
    );
    assert_eq!(read(&bucket, &timestamp()).unwrap(), b"2");
}

#[test]
fn of_two_publishers_the_second_waits_until_the_first_is_done() {
    let store = Arc::new(Unruly::default());
    let (first, second) = (publisher(&store, ""), publisher(&store, ""));
    let lease = first.exclusive().unwrap();
    let began = Instant::now();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let _lease = second.exclusive().unwrap();
            second.swap_timestamp(None, b"second").unwrap()
        });
        while began.elapsed() < Duration::from_millis(300) {
            assert!(!waiting.is_finished());
            std::thread::yield_now();
        }
        assert_eq!(first.swap_timestamp(None, b"first").unwrap(), Swap::Done);
        drop(lease);
        assert_eq!(waiting.join().unwrap(), Swap::Lost);
    });
    // Long before the lease would have ended by itself.
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[test]
fn the_lease_of_a_publisher_that_was_killed_ends_and_it_publishes_nothing_more() {
    let store = Arc::new(Unruly::default());
    let (first, second) = (publisher(&store, "?lease=1"), publisher(&store, "?lease=1"));
    kill(first.exclusive().unwrap(), &first);
    let began = Instant::now();
    let lease = second.exclusive().unwrap();
    assert!(began.elapsed() >= Duration::from_secs(1));
    assert_eq!(first.swap_timestamp(None, b"late").unwrap(), Swap::Lost);
    second.put(&snapshot(), b"second").unwrap();
    let late = first.put(&snapshot(), b"late").unwrap_err();
    assert!(matches!(late, LocationError::Meanwhile(_)), "{late}");
    assert_eq!(second.swap_timestamp(None, b"second").unwrap(), Swap::Done);
    assert_eq!(read(&second, &snapshot()).unwrap(), b"second");
    drop(lease);
}

#[test]
fn a_lease_is_kept_as_long_as_its_holder_works_and_not_relied_on_when_nothing_is_heard() {
    let store = Arc::new(Unruly::default());
    let bucket = publisher(&store, "?lease=1");
    let lease = bucket.exclusive().unwrap();
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(3) {
        assert!(bucket.turn.is_ours(), "after {:?}", began.elapsed());
        std::thread::sleep(Duration::from_millis(20));
    }
    store.no_renewal.store(true, Ordering::Relaxed);
    let began = Instant::now();
    while bucket.turn.is_ours() {
        assert!(began.elapsed() < Duration::from_secs(1));
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(bucket.swap_timestamp(None, b"1").unwrap(), Swap::Lost);
    drop(lease);
    let left = bucket.requests.get(&bucket.key_of(LEASE), 4096).unwrap();
    assert!(left.is_some(), "it may be somebody else's by now");
}

#[test]
fn a_store_that_ignores_conditions_is_refused_unless_only_one_writes() {
    let store = Arc::new(Unruly::default());
    store.careless.store(true, Ordering::Relaxed);
    let refused = publisher(&store, "").exclusive().unwrap_err();
    assert!(
        matches!(refused, LocationError::Careless { .. }),
        "{refused}"
    );
    let only = publisher(&store, "?single-writer");
    assert!(only.exclusive().unwrap().is_none());
    only.put(&snapshot(), b"1").unwrap();
    assert_eq!(only.swap_timestamp(None, b"1").unwrap(), Swap::Done);
    assert!(!only.put_new(&snapshot(), b"2").unwrap());
    assert_eq!(read(&only, &snapshot()).unwrap(), b"1");
}

#[test]
fn a_write_without_an_answer_is_looked_for() {
    let store = Arc::new(Unruly::default());
    store.unanswered.store(1, Ordering::Relaxed);
    let bucket = publisher(&store, "");
    let _lease = bucket.exclusive().unwrap();
    assert_eq!(bucket.swap_timestamp(None, b"1").unwrap(), Swap::Done);
    store.unanswered.store(2, Ordering::Relaxed);
    assert!(bucket.put(&snapshot(), b"1").is_err());
    bucket.put(&snapshot(), b"1").unwrap();
    assert_eq!(read(&bucket, &snapshot()).unwrap(), b"1");
}

#[test]
fn what_a_run_that_failed_has_left_is_replaced_by_whom_the_lease_is() {
    let store = Arc::new(Unruly::default());
    let bucket = publisher(&store, "");
    bucket.put(&snapshot(), b"left").unwrap();
    let refused = bucket.put(&snapshot(), b"new").unwrap_err();
    assert!(matches!(refused, LocationError::Meanwhile(_)), "{refused}");
    let _lease = bucket.exclusive().unwrap();
    bucket.put(&snapshot(), b"new").unwrap();
    assert_eq!(read(&bucket, &snapshot()).unwrap(), b"new");
}

#[test]
fn an_image_is_seen_whole_or_not_at_all_and_sent_once() {
    let store = Arc::new(Unruly::default());
    let bucket = publisher(&store, "");
    let mut file = arriving(&bucket, b"bytes");
    assert_eq!(read(&bucket, &image()), None);
    file.publish(Sha256Digest::of(b"bytes")).unwrap();
    file.publish(Sha256Digest::of(b"bytes")).unwrap();
    assert_eq!(read(&bucket, &image()).unwrap(), b"bytes");
    // A run that was killed has brought it already.
    let tag = |bucket: &Bucket| {
        bucket
            .requests
            .look(&bucket.key(&image()))
            .unwrap()
            .unwrap()
    };
    let before = tag(&bucket);
    arriving(&bucket, b"bytes")
        .publish(Sha256Digest::of(b"bytes"))
        .unwrap();
    assert_eq!(tag(&bucket).tag, before.tag);
    // Or other bytes, to which nothing leads: not while somebody else may be at work.
    let refused = arriving(&bucket, b"other")
        .publish(Sha256Digest::of(b"other"))
        .unwrap_err();
    assert!(matches!(refused, LocationError::Meanwhile(_)), "{refused}");
    let _lease = bucket.exclusive().unwrap();
    arriving(&bucket, b"other")
        .publish(Sha256Digest::of(b"other"))
        .unwrap();
    assert_eq!(read(&bucket, &image()).unwrap(), b"other");
}

#[test]
fn a_large_image_goes_in_parts_and_comes_back_in_parts() {
    let store = Arc::new(Unruly::default());
    let bucket = publisher(&store, "");
    let length = 2 * usize::try_from(requests::PART).unwrap() + 12_345;
    let bytes: Vec<u8> = (0..length).map(|at| (at / 1000) as u8).collect();
    store.no_parts.store(true, Ordering::Relaxed);
    let failed = arriving(&bucket, &bytes)
        .publish(Sha256Digest::of(&bytes))
        .unwrap_err();
    assert!(matches!(failed, LocationError::Object { .. }), "{failed}");
    assert_eq!(read(&bucket, &image()), None, "half of it is seen");
    store.no_parts.store(false, Ordering::Relaxed);
    arriving(&bucket, &bytes)
        .publish(Sha256Digest::of(&bytes))
        .unwrap();
    let mut back = Vec::new();
    let mut reader = bucket.open(&image()).unwrap().unwrap();
    reader.read_to_end(&mut back).unwrap();
    assert!(back == bytes);
    let digest = Sha256Digest::of(&bytes);
    let name: FileName = "k3s_1_x86-64.raw".parse().unwrap();
    bucket.link_hashed(digest, &name).unwrap();
    let hashed = read(&bucket, &Place::HashedImage(digest, name)).unwrap();
    assert!(hashed == bytes);
    assert!(matches!(
        bucket.read(&image(), 1000),
        Err(LocationError::TooLong { limit: 1000, .. })
    ));
}
