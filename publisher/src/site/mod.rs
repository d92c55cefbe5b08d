//! The page for people: `index.html` beside `catalog.toml`.
//!
//! - It is made from verified documents and the vendor's own configuration alone, without I/O and without a clock: the same
//!   catalog gives the same bytes.
//! - What is foreign is [`Text`] or [`Link`], and the template escapes every value; the only markup that it takes as it is
//!   are the style and the script that were compiled in. The page's own policy lets a browser run these two and
//!   load nothing.
//! - Its length is bounded by the number of extensions: in a large catalog fewer versions of each are shown.
//!
//! No program of ours reads it. Whoever can change it can put any fingerprint there, which it says itself.

mod extension;
mod text;

use std::collections::BTreeSet;

use askama::Template;
use data_encoding::BASE64;
use sysext_formats::catalog::{Descriptor, ExtensionIndex};
use sysext_formats::digest::Sha256Digest;
use sysext_formats::name::ExtensionName;
use sysext_formats::time::UtcTime;
use url::Url;

pub use self::extension::{Extension, Listed, Newest, Release, Row, Standing, Update};
pub use self::text::{Link, Moment, Text};
use crate::sysupdate::transfer;

const STYLE: &str = include_str!("../../templates/page.css");
const SCRIPT: &str = include_str!("../../templates/page.js");

/// Versions of an extension that are shown.
const MAX_VERSIONS: usize = 20;
/// The same in a catalog that is so large that it would be too many.
const MIN_VERSIONS: usize = 2;
/// Versions on the whole page, as far as there may be fewer of each.
const VERSIONS_IN_ALL: usize = 20_000;
/// With how many extensions one sees one at a time.
const FEW: usize = 6;

/// What the page says about the catalog.
#[derive(Debug)]
pub struct About {
    /// How a host gets to know it.
    pub descriptor: Descriptor,
    /// Where it has moved to.
    pub moved_to: Vec<Url>,
    /// Until when hosts take it, if nothing is signed again.
    pub fresh_until: UtcTime,
    /// Whether systemd-sysupdate can read it.
    pub sysupdate: bool,
    /// How many extensions it has.
    pub extensions: usize,
}

/// The page.
#[derive(Debug, Template)]
#[template(path = "page.html")]
pub struct Page {
    title: Text,
    id: Text,
    urls: Vec<Text>,
    moved_to: Vec<Link>,
    fingerprint: Option<Sha256Digest>,
    root_version: u64,
    add: String,
    fresh_until: Moment,
    sysupdate: Option<Url>,
    versions: usize,
    is_many: bool,
    extensions: Vec<Extension>,
}

impl Page {
    /// A page without extensions yet.
    #[must_use]
    pub fn new(about: &About) -> Self {
        let descriptor = &about.descriptor;
        let id = Text::new(descriptor.id.as_str());
        let url = descriptor.url.first().map(Url::as_str).unwrap_or_default();
        let url = url.trim_end_matches('/');
        let fingerprint = descriptor.root_sha256;
        let trust = fingerprint.map(|digest| format!("#sha256={digest}"));
        let source = format!("{url}{}", trust.unwrap_or_default());
        Self {
            title: Text::some(&descriptor.title).unwrap_or_else(|| id.clone()),
            id,
            urls: descriptor
                .url
                .iter()
                .map(|url| Text::new(url.as_str()))
                .collect(),
            moved_to: about
                .moved_to
                .iter()
                .filter_map(|url| Link::new(url.as_str()))
                .collect(),
            fingerprint,
            root_version: descriptor.root_version.get(),
            add: format!("sysext-fetch catalog add {}", text::word(&source)),
            fresh_until: Moment(about.fresh_until),
            sysupdate: descriptor.url.first().filter(|_| about.sysupdate).cloned(),
            versions: (VERSIONS_IN_ALL / about.extensions.max(1)).clamp(MIN_VERSIONS, MAX_VERSIONS),
            is_many: about.extensions > FEW,
            extensions: Vec::new(),
        }
    }

    /// One more extension, as its index says.
    pub fn add(&mut self, index: &ExtensionIndex, good_until: UtcTime) {
        let mut extension = Extension::new(index, good_until, self.versions);
        if let (Some(url), Standing::Offered) = (&self.sysupdate, &extension.standing) {
            extension.sysupdate = Some(sysupdate(index, url));
        }
        self.extensions.push(extension);
    }

    /// One more extension, of which there is no index for this reason.
    pub fn add_absent(&mut self, name: ExtensionName, summary: &str, why: &'static str) {
        self.extensions.push(Extension::absent(name, summary, why));
    }

    /// How many extensions are on it.
    #[must_use]
    pub fn extensions(&self) -> usize {
        self.extensions.len()
    }

    /// The page as HTML.
    ///
    /// # Errors
    /// When a value can not be written, which none of these does.
    pub fn html(mut self) -> Result<String, askama::Error> {
        let names: BTreeSet<_> = self
            .extensions
            .iter()
            .map(|it| it.name.to_string())
            .collect();
        for extension in &mut self.extensions {
            if let Standing::Retired {
                successor: Some(name),
                is_here,
                ..
            } = &mut extension.standing
            {
                *is_here = names.contains(&name.to_string());
            }
        }
        Ok(format!("{}\n", self.render()?))
    }

    fn style(&self) -> &'static str {
        STYLE
    }

    fn script(&self) -> &'static str {
        SCRIPT
    }

    /// What lets a browser apply the one and run the other, and nothing else.
    fn policy(&self) -> String {
        let digest = |text: &str| BASE64.encode(Sha256Digest::of(text.as_bytes()).as_bytes());
        let (style, script) = (digest(STYLE), digest(SCRIPT));
        format!(
            "default-src 'none'; style-src 'sha256-{style}'; script-src 'sha256-{script}'; img-src data:; base-uri 'none'; \
             form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
        )
    }
}

/// What a host types that has systemd alone.
fn sysupdate(index: &ExtensionIndex, url: &Url) -> String {
    let name = &index.name;
    let transfer = transfer::text(name, url, &index.images);
    // It is in no folder that shells look into.
    format!(
        "mkdir -p /etc/sysupdate.{name}.d /var/lib/extensions.d /var/lib/extensions\n\
         cat >/etc/sysupdate.{name}.d/{name}.transfer <<'END'\n{transfer}END\n\
         /usr/lib/systemd/systemd-sysupdate -C {name} update\nsystemd-sysext refresh\n"
    )
}

#[cfg(test)]
mod tests;
