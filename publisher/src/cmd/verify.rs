//! `verify`: checks a catalog as a host would, and more than any single host does: images byte for byte, transports
//! decoded.

use std::io::{self, Read};
use std::path::Path;

use serde::Serialize;
use sysext_formats::catalog::{ExtensionIndex, Image, Transport, TransportKind};
use sysext_formats::digest::{Sha256Digest, Sha256Hasher};
use sysext_formats::limits::{Limits, MAX_ZSTD_WINDOW_LOG};
use sysext_formats::name::{ExtensionName, FileName};
use sysext_formats::role::MetadataVersion;
use sysext_formats::time::UtcTime;
use sysext_formats::workflow::{CachedFile, RemoteFile};

use crate::context::{Context, Outcome, Verdict};
use crate::draft::DraftError;
use crate::failure::{Failure, Kind};
use crate::location::{self, Location, Place};
use crate::memory::{Documents, Memory};
use crate::published::Published;
use crate::session::Session;
use crate::ui;
use crate::ui::progress::Progress;

/// Roots that are tried for one with the given fingerprint.
const MAX_ROOTS: u64 = 256;

/// What `verify` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The catalog: a directory or a URL, also as URL#sha256=FINGERPRINT [default: the configured location]
    #[arg(value_name = "LOCATION")]
    location: Option<String>,
    /// Check every image, instead of the newest version of each extension
    #[arg(long)]
    all: bool,
    /// Trust the root with this sha256, instead of root.json beside the configuration
    #[arg(long, value_name = "SHA256")]
    fingerprint: Option<Sha256Digest>,
}

#[derive(Serialize)]
struct Document {
    location: String,
    extensions: usize,
    images: usize,
    images_checked: usize,
    transports_checked: usize,
    bytes_read: u64,
    /// The document that expires first.
    first_expiry: UtcTime,
    first_expiring: String,
    problems: Vec<String>,
}

/// Runs it.
///
/// # Errors
/// When the catalog can not be read, or its metadata can not be verified.
pub fn run(context: &Context, args: Args) -> Outcome {
    let (location, trusted) = subject(context, &args)?;
    let memory = Memory::of_documents(Documents::from([(CachedFile::Root, trusted)]));
    let mut published = Published::read_as_host(location.as_ref(), memory, context.now())?;
    let mut check = Check::new(context, location.as_ref(), &published);
    for name in published.extensions() {
        let index = published.index(&name)?;
        check.expires(name.as_str(), index.expires);
        let index = ExtensionIndex::read(&name, &index).map_err(DraftError::from)?;
        check.extension(&name, &index, args.all);
    }
    let document = check.document;
    let verdict = if document.problems.is_empty() {
        Verdict::Good
    } else {
        Verdict::Unverified
    };
    context
        .ui
        .data("verify", &document, || text(&document, context.now()));
    Ok(verdict)
}

/// What to verify, and the root that is trusted.
fn subject(context: &Context, args: &Args) -> Result<(Box<dyn Location>, Vec<u8>), Failure> {
    let (location, inline) = match args
        .location
        .as_deref()
        .map(|text| text.split_once("#sha256="))
    {
        Some(Some((location, hex))) => {
            let digest = hex
                .parse()
                .map_err(|error| Failure::of(Kind::Usage, &error))?;
            (Some(location), Some(digest))
        }
        _ => (args.location.as_deref(), None),
    };
    let fingerprint: Option<Sha256Digest> = args.fingerprint.or(inline);
    let location = match location {
        Some(location) => location::open(location, Path::new("."))?,
        None => Session::open(context)?.base(context)?,
    };
    let root = match fingerprint {
        Some(fingerprint) => root_with(location.as_ref(), fingerprint)?,
        None => Session::open(context)
            .map_err(|failure| {
                failure
                    .hint("--fingerprint SHA256 says which root to trust without a configuration")
            })?
            .pinned_root()
            .to_vec(),
    };
    Ok((location, root))
}

/// The root of the location that has this digest. One printed years ago still is among them.
fn root_with(location: &dyn Location, fingerprint: Sha256Digest) -> Result<Vec<u8>, Failure> {
    let mut seen = 0;
    for version in (1..=MAX_ROOTS).filter_map(MetadataVersion::new) {
        let place = Place::Metadata(RemoteFile::Root(version));
        let Some(bytes) = location.read(&place, Limits::default().root)? else {
            break;
        };
        if Sha256Digest::of(&bytes) == fingerprint {
            return Ok(bytes);
        }
        seen += 1;
    }
    Err(Failure::new(
        Kind::Unverified,
        format!(
            "none of the {seen} root(s) in {} has the sha256 {fingerprint}",
            location.name()
        ),
    ))
}

struct Check<'a> {
    context: &'a Context,
    location: &'a dyn Location,
    document: Document,
}

impl<'a> Check<'a> {
    fn new(context: &'a Context, location: &'a dyn Location, published: &Published<'_>) -> Self {
        let stage = published.stage();
        let mut check = Self {
            context,
            location,
            document: Document {
                location: location.name(),
                extensions: 0,
                images: 0,
                images_checked: 0,
                transports_checked: 0,
                bytes_read: 0,
                first_expiry: stage.root().expires,
                first_expiring: "root".to_owned(),
                problems: Vec::new(),
            },
        };
        check.expires("snapshot", stage.snapshot().expires);
        check.expires("timestamp", stage.timestamp().expires);
        if let Some(targets) = stage.targets() {
            check.expires("targets", targets.expires);
        }
        check
    }

    fn expires(&mut self, role: &str, expires: UtcTime) {
        if expires < self.document.first_expiry {
            self.document.first_expiry = expires;
            role.clone_into(&mut self.document.first_expiring);
        }
    }

    fn extension(&mut self, name: &ExtensionName, index: &ExtensionIndex, all: bool) {
        self.document.extensions += 1;
        self.document.images += index.images.len();
        for ignored in &index.ignored {
            let problem = format!("{}: hosts ignore it: {}", ignored.file, ignored.reason);
            self.document.problems.push(problem);
        }
        let newest = index.images.first().map(|image| &image.version);
        for image in index
            .images
            .iter()
            .filter(|image| all || Some(&image.version) == newest)
        {
            if let Err(problem) = self.image(image) {
                self.document.problems.push(format!("{name}: {problem}"));
            }
            for transport in &image.transports {
                if let Err(problem) = self.transport(transport, image) {
                    self.document.problems.push(format!("{name}: {problem}"));
                }
            }
        }
    }

    fn image(&mut self, image: &Image) -> Result<(), String> {
        self.document.images_checked += 1;
        let mut reader = self.open(&image.file, image.length)?;
        compare(&image.file, &mut reader, image.length, image.sha256)?;
        self.document.bytes_read += image.length;
        Ok(())
    }

    fn transport(&mut self, transport: &Transport, image: &Image) -> Result<(), String> {
        if transport.kind != TransportKind::Zstd {
            return Ok(());
        }
        self.document.transports_checked += 1;
        let file = &transport.file;
        let mut packed = Hashing {
            inner: self
                .open(file, transport.length)?
                .take(transport.length.saturating_add(1)),
            hasher: Sha256Hasher::default(),
            length: 0,
        };
        let broken = |error: io::Error| format!("{file}: {error}");
        {
            let mut decoder = zstd::stream::read::Decoder::new(&mut packed)
                .map_err(broken)?
                .single_frame();
            decoder
                .window_log_max(MAX_ZSTD_WINDOW_LOG)
                .map_err(broken)?;
            compare(file, &mut decoder, image.length, image.sha256)
                .map_err(|problem| format!("decoded, {problem}"))?;
        }
        // What stands behind the frame belongs to the file, too.
        io::copy(&mut packed, &mut io::sink()).map_err(broken)?;
        self.document.bytes_read += packed.length;
        let found = packed.hasher.finish();
        if packed.length != transport.length {
            return Err(format!(
                "{file} has {} bytes, {} were promised",
                packed.length, transport.length
            ));
        }
        if found != transport.sha256 {
            return Err(format!(
                "{file} has the sha256 {found}, {} was promised",
                transport.sha256
            ));
        }
        Ok(())
    }

    fn open(&self, file: &FileName, length: u64) -> Result<Progress<Box<dyn Read + Send>>, String> {
        let reader = self.location.open(&Place::Image(file.clone()));
        let reader = reader
            .map_err(|error| error.to_string())?
            .ok_or_else(|| format!("{file} is not there"))?;
        Ok(Progress::new(
            &self.context.ui,
            file.as_str(),
            length,
            reader,
        ))
    }
}

/// Reads one byte more than promised at most.
fn compare(
    file: &FileName,
    reader: &mut impl Read,
    length: u64,
    sha256: Sha256Digest,
) -> Result<(), String> {
    let mut hashing = Hashing {
        inner: reader.take(length.saturating_add(1)),
        hasher: Sha256Hasher::default(),
        length: 0,
    };
    io::copy(&mut hashing, &mut io::sink()).map_err(|error| format!("{file}: {error}"))?;
    if hashing.length != length {
        let more = if hashing.length > length {
            "more than "
        } else {
            ""
        };
        let found = hashing.length.min(length);
        return Err(format!(
            "{file} has {more}{found} bytes, {length} were promised"
        ));
    }
    let found = hashing.hasher.finish();
    if found != sha256 {
        return Err(format!(
            "{file} has the sha256 {found}, {sha256} was promised"
        ));
    }
    Ok(())
}

struct Hashing<R> {
    inner: R,
    hasher: Sha256Hasher,
    length: u64,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(buffer.get(..count).unwrap_or_default());
        self.length += u64::try_from(count).unwrap_or(u64::MAX);
        Ok(count)
    }
}

fn text(document: &Document, now: UtcTime) -> String {
    let mut text = format!(
        "{}: {} extension(s); {} of {} image(s) and {} transport(s) checked, {} read\n",
        document.location,
        document.extensions,
        document.images_checked,
        document.images,
        document.transports_checked,
        ui::bytes(document.bytes_read),
    );
    let days = document.first_expiry.since(now).as_secs() / (24 * 3_600);
    text.push_str(&format!(
        "{} expires first: {} ({days} days)\n",
        document.first_expiring, document.first_expiry
    ));
    for problem in &document.problems {
        text.push_str(&format!("problem: {problem}\n"));
    }
    text.push_str(if document.problems.is_empty() {
        "good\n"
    } else {
        "NOT good\n"
    });
    text
}
