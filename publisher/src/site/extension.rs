//! One extension as the page shows it.

use std::collections::{BTreeMap, BTreeSet};

use sysext_formats::catalog::{DEFAULT_CHANNEL, ExtensionIndex, Image};
use sysext_formats::digest::Sha256Digest;
use sysext_formats::name::{Channel, ExtensionName};
use sysext_formats::os::Fields;
use sysext_formats::time::UtcTime;
use sysext_formats::version::Version;

use super::text::{Link, Moment, Text};
use crate::ui::bytes;

/// Entries of a list within one row, or of one list of channels, that are shown.
const MAX_ENTRIES: usize = 12;
/// Images that are shown of each version that is, on average.
const IMAGES_PER_VERSION: usize = 10;

/// An extension.
#[derive(Debug)]
pub struct Extension {
    /// Its name, and its anchor on the page.
    pub name: ExtensionName,
    /// What it is.
    pub summary: Option<Text>,
    /// Its web page.
    pub homepage: Option<Link>,
    /// Its documentation.
    pub documentation: Option<Link>,
    /// Its licence.
    pub license: Option<Text>,
    /// Its channels and what they are for.
    pub channels: Vec<(Text, Option<Text>)>,
    /// What a host could do with it.
    pub standing: Standing,
    /// What a host gets that asks for nothing special.
    pub newest: Option<Newest>,
    /// Its images, newest version first.
    pub releases: Vec<Release>,
    /// How many images are not shown.
    pub more: usize,
    /// Until when its index is good.
    pub good_until: Option<Moment>,
    /// What a host with systemd alone types.
    pub sysupdate: Option<String>,
}

/// What a host can do with an extension.
#[derive(Debug)]
pub enum Standing {
    /// Install it.
    Offered,
    /// Keep what it has.
    Retired {
        /// Why.
        reason: Text,
        /// What to install instead.
        successor: Option<Text>,
        /// Whether that is on this page.
        is_here: bool,
    },
    /// Nothing, for this reason.
    Absent(&'static str),
}

/// What a host gets that asks for nothing special.
#[derive(Debug)]
pub struct Newest {
    /// The version.
    pub version: Text,
    /// The channel that it is in, where that is not the usual one.
    pub channel: Option<Text>,
    /// For which machines.
    pub architectures: String,
    /// How large.
    pub size: String,
}

/// The images of one version about which the same is said.
#[derive(Debug)]
pub struct Release {
    /// The version.
    pub version: Text,
    /// The channels they are in.
    pub channels: Listed,
    /// What they mend.
    pub fixes: Listed,
    /// Why and since when no host takes them any more.
    pub withdrawn: Option<(Text, Moment)>,
    /// From when until when hosts take them.
    pub rollout: Option<(Moment, Moment)>,
    /// What is new in them.
    pub notes: Option<Link>,
    /// Their source code.
    pub source: Option<Link>,
    /// The images.
    pub images: Vec<Row>,
}

/// One image.
#[derive(Debug)]
pub struct Row {
    /// For which machines.
    pub architecture: Text,
    /// For which OS.
    pub os: Text,
    /// Since when.
    pub released: Moment,
    /// Where it is.
    pub url: String,
    /// The name of its file.
    pub file: Text,
    /// How large it is.
    pub size: String,
    /// What a host downloads that has no version of it.
    pub download: String,
    /// What a host downloads that has an older one.
    pub updates: Vec<Update>,
}

/// The cheapest way from one version to another.
#[derive(Debug)]
pub struct Update {
    /// The older version.
    pub from: Text,
    /// What is downloaded.
    pub size: String,
}

/// The beginning of a list.
#[derive(Debug)]
pub struct Listed {
    /// The first ones.
    pub shown: Vec<Text>,
    /// How many more there are.
    pub more: usize,
}

impl Listed {
    fn new<'a>(all: impl ExactSizeIterator<Item = &'a str>) -> Self {
        let more = all.len().saturating_sub(MAX_ENTRIES);
        let shown = all.take(MAX_ENTRIES).map(Text::new).collect();
        Self { shown, more }
    }
}

impl Extension {
    /// One that has no index, for this reason.
    #[must_use]
    pub fn absent(name: ExtensionName, summary: &str, why: &'static str) -> Self {
        Self {
            name,
            summary: Text::some(summary),
            homepage: None,
            documentation: None,
            license: None,
            channels: Vec::new(),
            standing: Standing::Absent(why),
            newest: None,
            releases: Vec::new(),
            more: 0,
            good_until: None,
            sysupdate: None,
        }
    }

    /// As its index says, with the images of the newest `versions`.
    #[must_use]
    pub fn new(index: &ExtensionIndex, good_until: UtcTime, versions: usize) -> Self {
        let info = &index.info;
        let standing = match &info.retired {
            Some(retired) => Standing::Retired {
                reason: Text::new(&retired.reason),
                successor: retired
                    .successor
                    .as_ref()
                    .map(|name| Text::new(name.as_str())),
                is_here: false,
            },
            None if index.images.is_empty() => Standing::Absent("No version is published yet."),
            None => Standing::Offered,
        };
        let channels = info.channels.iter().take(MAX_ENTRIES);
        let (releases, shown) = releases(&index.images, versions);
        Self {
            name: index.name.clone(),
            summary: Text::some(&info.summary),
            homepage: Link::new(&info.homepage),
            documentation: Link::new(&info.documentation),
            license: Text::some(&info.license),
            channels: channels
                .map(|(name, what)| (Text::new(name.as_str()), Text::some(what)))
                .collect(),
            standing,
            newest: newest(&index.images),
            more: index.images.len() - shown,
            releases,
            good_until: Some(Moment(good_until)),
            sysupdate: None,
        }
    }
}

fn is_in(image: &Image, channel: &str) -> bool {
    image.channels.iter().any(|it| it.as_str() == channel)
}

/// The newest version that is not withdrawn, of the default channel where that has one.
fn newest(images: &[Image]) -> Option<Newest> {
    let mut offered: Vec<_> = images.iter().filter(|it| it.withdrawn.is_none()).collect();
    let is_usual = |image: &&&Image| is_in(image, DEFAULT_CHANNEL);
    let channel = if offered.iter().any(|image| is_usual(&image)) {
        offered.retain(|image| is_in(image, DEFAULT_CHANNEL));
        None
    } else {
        let first = offered.first()?;
        first.channels.first().map(|name| Text::new(name.as_str()))
    };
    let version = offered.first()?.version.clone();
    offered.retain(|image| image.version == version);
    let architectures: BTreeSet<_> = offered.iter().map(|image| machine(image)).collect();
    let sizes: BTreeSet<_> = offered.iter().map(|image| image.length).collect();
    let size = match (sizes.first(), sizes.last()) {
        (Some(least), Some(most)) if bytes(*least) != bytes(*most) => {
            format!("{} – {}", bytes(*least), bytes(*most))
        }
        (least, _) => bytes(least.copied().unwrap_or_default()),
    };
    let architectures: Vec<_> = architectures.into_iter().take(MAX_ENTRIES).collect();
    Some(Newest {
        version: Text::new(version.as_str()),
        channel,
        architectures: architectures.join(", "),
        size,
    })
}

fn machine(image: &Image) -> &str {
    if image.architecture.is_any() {
        "any"
    } else {
        image.architecture.as_str()
    }
}

/// The newest images, those of one version together, and how many they are.
fn releases(images: &[Image], versions: usize) -> (Vec<Release>, usize) {
    let known: BTreeMap<_, _> = images.iter().map(|it| (it.sha256, &it.version)).collect();
    let mut seen = BTreeSet::new();
    let shown: Vec<_> = images
        .iter()
        .take(versions * IMAGES_PER_VERSION)
        .take_while(|image| {
            seen.insert(&image.version);
            seen.len() <= versions
        })
        .collect();
    let groups = shown.chunk_by(|a, b| common(a) == common(b));
    let releases = groups.filter_map(|group| release(group, &known)).collect();
    (releases, shown.len())
}

/// What is said of a whole version, as a rule.
fn common(image: &Image) -> impl PartialEq {
    (
        &image.version,
        &image.channels,
        &image.fixes,
        &image.withdrawn,
        &image.rollout,
        &image.links,
    )
}

fn release(images: &[&Image], known: &BTreeMap<Sha256Digest, &Version>) -> Option<Release> {
    let image = images.first()?;
    let links = image.links.as_ref();
    let link = |url: Option<&String>| url.and_then(|url| Link::new(url));
    Some(Release {
        version: Text::new(image.version.as_str()),
        channels: Listed::new(image.channels.iter().map(Channel::as_str)),
        fixes: Listed::new(image.fixes.iter().map(String::as_str)),
        withdrawn: image
            .withdrawn
            .as_ref()
            .map(|it| (Text::new(&it.reason), Moment(it.since))),
        rollout: image
            .rollout
            .as_ref()
            .map(|it| (Moment(it.start), Moment(it.end()))),
        notes: link(links.and_then(|links| links.notes.as_ref())),
        source: link(links.and_then(|links| links.source.as_ref())),
        images: images.iter().map(|image| row(image, known)).collect(),
    })
}

fn row(image: &Image, known: &BTreeMap<Sha256Digest, &Version>) -> Row {
    let elsewhere = image.urls.iter().find_map(|url| Link::new(url));
    Row {
        architecture: Text::new(machine(image)),
        os: os(&image.extension_release),
        released: Moment(image.released),
        url: match elsewhere {
            Some(link) => link.url().to_owned(),
            None => format!("images/{}", image.file),
        },
        file: Text::new(image.file.as_str()),
        size: bytes(image.length),
        download: bytes(image.download()),
        updates: updates(image, known),
    }
}

/// The smallest patch from each version that is known, as far as it saves anything.
fn updates(image: &Image, known: &BTreeMap<Sha256Digest, &Version>) -> Vec<Update> {
    let whole = image.download();
    let mut smallest: BTreeMap<&Version, u64> = BTreeMap::new();
    for transport in &image.transports {
        let from = transport.from.and_then(|digest| known.get(&digest));
        if let Some(from) = from.filter(|_| transport.length < whole) {
            let least = smallest.entry(from).or_insert(transport.length);
            *least = (*least).min(transport.length);
        }
    }
    let newest_first = smallest.into_iter().rev().take(MAX_ENTRIES);
    newest_first
        .map(|(from, length)| Update {
            from: Text::new(from.as_str()),
            size: bytes(length),
        })
        .collect()
}

/// Which hosts an image fits, in words.
fn os(release: &Fields) -> Text {
    let Some(os) = release.bound_to() else {
        let fits_all = release.get("ID").is_some();
        return Text::new(if fits_all { "any" } else { "none" });
    };
    let version = os.version.map(|it| format!(" {it}")).unwrap_or_default();
    let level = os.level.map(|it| format!(", level {it}"));
    Text::new(&format!("{}{version}{}", os.id, level.unwrap_or_default()))
}
