//! `verify`: checks a catalog as a host would, and more than any single host does: images byte for byte, transports
//! decoded.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::Serialize;
use sysext_formats::catalog::{self, Descriptor, ExtensionIndex, Image, Transport, TransportKind};
use sysext_formats::digest::Sha256Digest;
use sysext_formats::limits::{Limits, MAX_DESCRIPTOR};
use sysext_formats::name::{ExtensionName, FileName};
use sysext_formats::role::MetadataVersion;
use sysext_formats::time::UtcTime;
use sysext_formats::workflow::{CachedFile, RemoteFile};
use url::Url;

use crate::content::{self, ContentError};
use crate::context::{Context, Outcome, Verdict};
use crate::draft::DraftError;
use crate::elsewhere::{self, Promised};
use crate::failure::{Failure, Kind};
use crate::location::{self, Links, Location, Place};
use crate::memory::{Documents, Memory};
use crate::published::{LookUp, Published};
use crate::session::Session;
use crate::ui;
use crate::ui::progress::Progress;

/// A file that is being read.
type Body = Progress<Box<dyn Read + Send>>;

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
    /// Of kinds that this version does not know.
    transports_unknown: usize,
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
    let images_url = args.location.is_some();
    let images_url = images_url.then(|| images_url_of(location.as_ref()));
    let images_url = images_url.transpose()?.flatten();
    let memory = Memory::of_documents(Documents::from([(CachedFile::Root, trusted)]));
    let mut published = Published::read_as_host(location.as_ref(), memory, context.now())?;
    let mut check = Check::new(context, location.as_ref(), images_url, &published)?;
    for name in published.extensions()? {
        let index = match published.peek(&name)? {
            LookUp::Index(index) => index,
            LookUp::Unpublished => continue,
            LookUp::Disowned(error) => {
                check.document.problems.push(format!("{name}: {error}"));
                continue;
            }
        };
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

/// Where hosts that are led to this location look for images, where that is not `images/` there.
fn images_url_of(location: &dyn Location) -> Result<Option<Url>, Failure> {
    let Some(bytes) = location.read(&Place::Descriptor, MAX_DESCRIPTOR)? else {
        return Ok(None);
    };
    let descriptor = Descriptor::parse(&bytes).map_err(|error| {
        Failure::of(Kind::Unverified, &error).during(format!(
            "{} at {}",
            Place::Descriptor,
            location.name()
        ))
    })?;
    Ok(descriptor.images_url)
}

struct Check<'a> {
    context: &'a Context,
    location: &'a dyn Location,
    images_url: Option<Url>,
    links: Links,
    document: Document,
}

impl<'a> Check<'a> {
    fn new(
        context: &'a Context,
        location: &'a dyn Location,
        images_url: Option<Url>,
        published: &Published<'_>,
    ) -> Result<Self, Failure> {
        let stage = published.stage();
        let mut check = Self {
            context,
            location,
            images_url,
            links: Links::new()?,
            document: Document {
                location: location.name(),
                extensions: 0,
                images: 0,
                images_checked: 0,
                transports_checked: 0,
                transports_unknown: 0,
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
        Ok(check)
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
                if let Err(problem) = self.transport(transport, image, &index.images) {
                    self.document.problems.push(format!("{name}: {problem}"));
                }
            }
        }
    }

    fn image(&mut self, image: &Image) -> Result<(), String> {
        self.document.images_checked += 1;
        self.each_place(image.into(), |reader| content::check_image(reader, image))
    }

    fn transport(
        &mut self,
        transport: &Transport,
        image: &Image,
        images: &[Image],
    ) -> Result<(), String> {
        match transport.kind {
            TransportKind::Zstd | TransportKind::RelinkLzma => {}
            // A later version of this program has made it; hosts that do not know it take another way.
            TransportKind::Unknown(_) => {
                self.document.transports_unknown += 1;
                return Ok(());
            }
        }
        self.document.transports_checked += 1;
        if transport.kind != TransportKind::RelinkLzma {
            return self.each_place(transport.into(), |reader| {
                content::check_zstd(reader, transport, image)
            });
        }
        let base = content::base(transport, images).map_err(|error| error.to_string())?;
        let old = self.old_image(base)?;
        self.each_place(transport.into(), |reader| {
            content::check_patch(reader, transport, (&old, base), image)
        })
    }

    /// The image that a patch starts from, as a file of this machine.
    fn old_image(&mut self, base: &Image) -> Result<File, String> {
        let file = tempfile::tempfile().map_err(|error| error.to_string())?;
        let url = base.urls.iter().find_map(|text| catalog::link(text));
        let reader = match url {
            Some(url) => {
                let ui = &self.context.ui;
                elsewhere::open(&self.links, &base.file, base.length, &url, ui)
                    .map_err(|error| error.to_string())?
            }
            None => self.open(&base.file, base.length)?,
        };
        self.document.bytes_read += base.length;
        content::copy_image(reader, base, file).map_err(|error| error.to_string())
    }

    /// Every place that is signed, or the catalog's own.
    fn each_place(
        &mut self,
        file: Promised<'_>,
        check: impl Fn(Body) -> Result<(), ContentError>,
    ) -> Result<(), String> {
        let links = file.urls.iter().filter_map(|text| catalog::link(text));
        let mut places: Vec<_> = links.map(Some).collect();
        if places.is_empty() {
            places.push(None);
        }
        for url in places {
            let said = |error: &dyn std::error::Error| match &url {
                Some(url) => format!("{url}: {error}"),
                None => error.to_string(),
            };
            let reader = match &url {
                Some(url) => {
                    elsewhere::open(&self.links, file.file, file.length, url, &self.context.ui)
                        .map_err(|error| error.to_string())?
                }
                None => self.open(file.file, file.length)?,
            };
            check(reader).map_err(|error| said(&error))?;
            self.document.bytes_read += file.length;
        }
        Ok(())
    }

    fn open(&self, file: &FileName, length: u64) -> Result<Body, String> {
        if let Some(folder) = &self.images_url {
            let url = elsewhere::below(folder, file);
            return elsewhere::open(&self.links, file, length, &url, &self.context.ui)
                .map_err(|error| error.to_string());
        }
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
    if document.transports_unknown > 0 {
        text.push_str(&format!(
            "{} transport(s) of kinds that this version does not know were not checked\n",
            document.transports_unknown
        ));
    }
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
