//! Which image an extension shall have: a pure decision with a reason for every candidate.
//!
//! - No I/O: fresh indexes, facts of the root being updated, the admin's wish and what is linked come in; a
//!   [`Selection`] that can be printed comes out. `update` acts on it and `why` shows it, so the two can not differ.
//! - The highest version that fits wins, among equals the later released. Never below the linked image, unless that
//!   one is withdrawn, skipped, unfit for this root, or outside of the version asked for.
//! - For the linked image itself, rollout and absence from the index do not count.
//! - Two catalogs that offer one name are never guessed between.

mod rejection;

use std::cmp::Ordering;
use std::collections::BTreeSet;

use sysext_formats::catalog::{Custom, ExtensionIndex, Image, Rollout};
use sysext_formats::digest::Sha256Digest;
use sysext_formats::name::{CatalogId, ExtensionName};
use sysext_formats::os::match_host;
use sysext_formats::time::UtcTime;

pub use self::rejection::Rejection;
use crate::config::{VersionConstraint, Wish};
use crate::host::HostFacts;
use crate::metadata_store::Seen;
use crate::refresh::{FreshCatalog, RefreshProblem};
use crate::store::StoredImage;

/// What one catalog offers for an extension.
#[derive(Debug, Clone, Copy)]
pub struct Offer<'a> {
    /// The catalog.
    pub catalog: &'a CatalogId,
    /// Its fresh index.
    pub index: &'a ExtensionIndex,
    /// Since when this host knows the images of it.
    pub seen: &'a Seen,
}

impl<'a> Offer<'a> {
    /// What a catalog offers for `name`, or why that can not be used; `None` where it was not asked for.
    #[must_use]
    pub fn of(
        catalog: &'a FreshCatalog,
        name: &ExtensionName,
    ) -> Option<Result<Self, &'a RefreshProblem>> {
        let index = catalog.indexes.get(name)?.as_ref();
        Some(index.map(|index| Self {
            catalog: &catalog.id,
            index,
            seen: &catalog.seen,
        }))
    }
}

/// The image that is linked now, as the store describes it.
#[derive(Debug, Clone, Copy)]
pub struct Linked<'a> {
    /// Its digest.
    pub sha256: Sha256Digest,
    /// The catalog it came from.
    pub catalog: &'a CatalogId,
    /// What its index said when it was fetched.
    pub custom: &'a Custom,
}

impl<'a> From<&'a StoredImage> for Linked<'a> {
    fn from(image: &'a StoredImage) -> Self {
        Self {
            sha256: image.sha256,
            catalog: &image.catalog,
            custom: &image.custom,
        }
    }
}

/// Everything a decision depends on.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The extension.
    pub name: &'a ExtensionName,
    /// What the admin wants of it.
    pub wish: &'a Wish,
    /// The root it is for.
    pub host: &'a HostFacts,
    /// What is linked there.
    pub linked: Option<Linked<'a>>,
    /// The time.
    pub now: UtcTime,
    /// Whether a rollout is waited for.
    pub patience: Patience,
}

/// Whether a rollout is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// This host takes an image once its share has come.
    Wait,
    /// At once: `--now`, or a version asked for by name.
    Now,
}

/// One image that was looked at.
#[derive(Debug, Clone)]
pub struct Candidate<'a> {
    /// Who offers it.
    pub catalog: &'a CatalogId,
    /// The image.
    pub image: &'a Image,
    /// Why it was not chosen; `None` for the chosen one.
    pub rejection: Option<Rejection>,
}

/// What an extension shall have.
#[derive(Debug, Clone)]
pub enum Decision<'a> {
    /// This image.
    Take {
        /// Who offers it.
        catalog: &'a CatalogId,
        /// The image.
        image: &'a Image,
    },
    /// What is linked stays.
    Keep,
    /// Nothing, because nothing fits. What is linked does not fit either, or nothing is.
    Nothing,
    /// Several catalogs offer it and none is bound.
    Ambiguous {
        /// Who offers it.
        catalogs: Vec<&'a CatalogId>,
    },
}

/// A decision with all that led to it.
#[derive(Debug, Clone)]
pub struct Selection<'a> {
    /// The decision.
    pub decision: Decision<'a>,
    /// Every image that was offered, newest first.
    pub candidates: Vec<Candidate<'a>>,
    /// Why the linked image may not stay, where it may not.
    pub linked_unfit: Option<Rejection>,
}

/// Decides.
#[must_use]
pub fn select<'a>(question: &Question<'_>, offers: &[Offer<'a>]) -> Selection<'a> {
    let bound = question
        .wish
        .catalog
        .as_ref()
        .or(question.linked.map(|linked| linked.catalog));
    let linked_unfit = question
        .linked
        .and_then(|linked| linked_rejection(question, &linked, offers));
    let floor = question.linked.filter(|_| linked_unfit.is_none());
    let mut candidates: Vec<_> = offers
        .iter()
        .flat_map(|offer| offer.index.images.iter().map(move |image| (offer, image)))
        .map(|(offer, image)| Candidate {
            catalog: offer.catalog,
            image,
            rejection: reject(question, bound, floor.as_ref(), offer, image),
        })
        .collect();
    candidates.sort_by(|a, b| order(b.image, a.image));
    let decision = decide(bound, floor.as_ref(), offers, &mut candidates);
    Selection {
        decision,
        candidates,
        linked_unfit,
    }
}

fn order(a: &Image, b: &Image) -> Ordering {
    (&a.version, a.released, a.sha256).cmp(&(&b.version, b.released, b.sha256))
}

fn decide<'a>(
    bound: Option<&CatalogId>,
    floor: Option<&Linked<'_>>,
    offers: &[Offer<'a>],
    candidates: &mut [Candidate<'a>],
) -> Decision<'a> {
    let offering: BTreeSet<_> = offers.iter().map(|offer| offer.catalog).collect();
    if bound.is_none() && offering.len() > 1 {
        return Decision::Ambiguous {
            catalogs: offering.into_iter().collect(),
        };
    }
    let mut fitting = candidates
        .iter_mut()
        .filter(|candidate| candidate.rejection.is_none());
    let chosen = fitting
        .next()
        .map(|candidate| (candidate.catalog, candidate.image));
    fitting.for_each(|candidate| candidate.rejection = Some(Rejection::NotBest));
    match (chosen, floor) {
        (Some((_, image)), Some(linked)) if image.sha256 == linked.sha256 => Decision::Keep,
        (Some((catalog, image)), _) => Decision::Take { catalog, image },
        (None, Some(_)) => Decision::Keep,
        (None, None) => Decision::Nothing,
    }
}

/// Why an image can not be chosen, looked at alone; `floor` is the linked image, where it may stay.
fn reject(
    question: &Question<'_>,
    bound: Option<&CatalogId>,
    floor: Option<&Linked<'_>>,
    offer: &Offer<'_>,
    image: &Image,
) -> Option<Rejection> {
    let wish = question.wish;
    if let Some(bound) = bound.filter(|bound| *bound != offer.catalog) {
        return Some(Rejection::Catalog {
            bound: bound.clone(),
        });
    }
    if let Some(unfit) = unfit(question.host, image) {
        return Some(unfit);
    }
    let is_linked = question
        .linked
        .is_some_and(|linked| linked.sha256 == image.sha256);
    if wish.hold && floor.is_some() {
        return (!is_linked).then_some(Rejection::Held);
    }
    if !image.channels.contains(&wish.channel) {
        return Some(Rejection::Channel {
            image: image.channels.clone(),
            wanted: wish.channel.clone(),
        });
    }
    if let Some(unwanted) = unwanted(wish, image) {
        return Some(unwanted);
    }
    if is_linked {
        return None;
    }
    match floor {
        Some(linked)
            if (&image.version, image.released)
                < (&linked.custom.version, linked.custom.released) =>
        {
            Some(Rejection::BelowLinked {
                linked: linked.custom.version.clone(),
            })
        }
        _ => waits_for_rollout(question, image).or_else(|| is_too_young(question, offer, image)),
    }
}

/// Why an image can not run on a host, whoever wants it.
#[must_use]
pub fn unfit(host: &HostFacts, custom: &Custom) -> Option<Rejection> {
    if !custom.architecture.is_any() && custom.architecture.as_str() != host.host.architecture {
        let (image, host) = (
            custom.architecture.to_string(),
            host.host.architecture.clone(),
        );
        return Some(Rejection::Architecture { image, host });
    }
    match_host(&custom.extension_release, &host.host)
        .err()
        .map(|misfit| Rejection::Unfit { misfit })
}

fn unwanted(wish: &Wish, custom: &Custom) -> Option<Rejection> {
    if let Some(withdrawn) = &custom.withdrawn {
        return Some(Rejection::Withdrawn {
            why: withdrawn.reason.clone(),
        });
    }
    if wish.skip.contains(&custom.version) {
        return Some(Rejection::Skipped);
    }
    if !wish.version.allows(&custom.version) {
        return Some(Rejection::Version {
            wanted: wish.version.to_string(),
        });
    }
    None
}

/// Whether the linked image must go, by what the index says of it *now*; one that is no longer listed may stay.
fn linked_rejection(
    question: &Question<'_>,
    linked: &Linked<'_>,
    offers: &[Offer<'_>],
) -> Option<Rejection> {
    let listed = offers
        .iter()
        .filter(|offer| offer.catalog == linked.catalog)
        .flat_map(|offer| &offer.index.images)
        .find(|image| image.sha256 == linked.sha256);
    let custom = listed.map_or(linked.custom, |image| &image.custom);
    // A hold outweighs everything but a root on which the image can not run.
    let unwanted = || unwanted(question.wish, custom).filter(|_| !question.wish.hold);
    unfit(question.host, custom).or_else(unwanted)
}

/// Whether images are taken at once, whatever the vendor's share and this host's age say.
fn takes_at_once(question: &Question<'_>) -> bool {
    question.patience == Patience::Now
        || matches!(question.wish.version, VersionConstraint::Exactly(_))
}

fn is_too_young(question: &Question<'_>, offer: &Offer<'_>, image: &Image) -> Option<Rejection> {
    let wanted = question.wish.min_age.0;
    if wanted.is_zero() || takes_at_once(question) {
        return None;
    }
    let since = offer.seen.since(question.name, image);
    let from = since.unwrap_or(question.now).plus(wanted);
    (question.now < from).then_some(Rejection::TooYoung { from })
}

fn waits_for_rollout(question: &Question<'_>, image: &Image) -> Option<Rejection> {
    if takes_at_once(question) {
        return None;
    }
    let rollout = image.rollout.as_ref()?;
    // A host without a machine id comes last.
    let machine_id = question.host.machine_id.as_deref();
    let share = machine_id.map_or(u64::MAX, |id| {
        Rollout::share(id, question.name, &image.version)
    });
    let from = rollout.reaches(share);
    (question.now < from).then_some(Rejection::Rollout { from })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use sysext_formats::catalog::ExtensionInfo;
    use sysext_formats::os::{Fields, Host};

    const NOW: &str = "2026-06-15T00:00:00Z";

    struct Story {
        wish: Wish,
        host: HostFacts,
        catalogs: Vec<(CatalogId, ExtensionIndex)>,
        linked: Option<(CatalogId, Image)>,
        patience: Patience,
        seen: Seen,
    }

    fn image(version: &str, change: Value) -> Image {
        let mut sysext = json!({
            "schema": 1, "class": "sysext", "version": version, "architecture": "x86-64", "channels": ["stable"],
            "extension_release": {"ID": "_any"}, "released": "2026-01-01T00:00:00Z",
            "image": {"container": "none", "filesystem": "squashfs", "compressed": false},
        });
        for (key, value) in change.as_object().unwrap() {
            sysext[key] = value.clone();
        }
        Image {
            file: format!("k3s_{version}_x86-64.raw")
                .replace('+', ".")
                .parse()
                .unwrap(),
            length: 1,
            sha256: Sha256Digest::of(sysext.to_string().as_bytes()),
            custom: serde_json::from_value(sysext).unwrap(),
        }
    }

    fn story(images: Vec<Image>) -> Story {
        let index = ExtensionIndex {
            name: "k3s".parse().unwrap(),
            info: ExtensionInfo::default(),
            images,
            ignored: vec![],
        };
        let os_release = Fields::parse(b"ID=opensuse-microos\nVERSION_ID=20261101").unwrap();
        Story {
            wish: Wish::default(),
            host: HostFacts {
                host: Host {
                    os_release,
                    architecture: "x86-64".into(),
                },
                machine_id: Some("0123456789abcdef0123456789abcdef".into()),
            },
            catalogs: vec![("vendor".parse().unwrap(), index)],
            linked: None,
            patience: Patience::Wait,
            seen: Seen::default(),
        }
    }

    impl Story {
        fn link(mut self, image: Image) -> Self {
            self.linked = Some(("vendor".parse().unwrap(), image));
            self
        }

        fn wish(mut self, change: impl Fn(&mut Wish)) -> Self {
            change(&mut self.wish);
            self
        }

        /// The decision in a word, and the rejection of each candidate.
        fn decide(&self) -> (String, Vec<Option<Rejection>>) {
            let name = "k3s".parse().unwrap();
            let offers: Vec<_> = self
                .catalogs
                .iter()
                .map(|(catalog, index)| Offer {
                    catalog,
                    index,
                    seen: &self.seen,
                })
                .collect();
            let linked = self.linked.as_ref().map(|(catalog, image)| Linked {
                sha256: image.sha256,
                catalog,
                custom: &image.custom,
            });
            let question = Question {
                name: &name,
                wish: &self.wish,
                host: &self.host,
                linked,
                now: NOW.parse().unwrap(),
                patience: self.patience,
            };
            let selection = select(&question, &offers);
            let word = match selection.decision {
                Decision::Take { image, .. } => image.version.to_string(),
                Decision::Keep => "keep".into(),
                Decision::Nothing => "nothing".into(),
                Decision::Ambiguous { catalogs } => format!("{} catalogs", catalogs.len()),
            };
            (
                word,
                selection
                    .candidates
                    .into_iter()
                    .map(|candidate| candidate.rejection)
                    .collect(),
            )
        }

        fn word(&self) -> String {
            self.decide().0
        }
    }

    #[test]
    fn the_highest_version_that_fits_wins() {
        let unfit = json!({"extension_release": {"ID": "debian", "VERSION_ID": "13"}});
        let story = story(vec![
            image("1.9", json!({})),
            image("1.10", json!({})),
            image("2.0", unfit),
        ]);
        let (word, rejections) = story.decide();
        assert_eq!(word, "1.10");
        assert!(matches!(
            rejections.as_slice(),
            [
                Some(Rejection::Unfit { .. }),
                None,
                Some(Rejection::NotBest)
            ]
        ));
    }

    #[test]
    fn among_equals_the_later_release_wins() {
        let later = image("1.0", json!({"released": "2026-02-01T00:00:00Z"}));
        let story = story(vec![image("1.0", json!({})), later.clone()]);
        assert_eq!(story.decide().1, [None, Some(Rejection::NotBest)]);
        assert_eq!(story.link(later).word(), "keep");
    }

    #[test]
    fn channel_constraint_skip_and_withdrawal_each_exclude() {
        let images = || {
            vec![
                image("1", json!({})),
                image("2", json!({"channels": ["testing"]})),
                image(
                    "3",
                    json!({"withdrawn": {"reason": "broken", "since": NOW}}),
                ),
            ]
        };
        assert_eq!(story(images()).word(), "1");
        assert_eq!(
            story(images())
                .wish(|wish| wish.channel = "testing".parse().unwrap())
                .word(),
            "2"
        );
        assert_eq!(
            story(images())
                .wish(|wish| wish.skip = vec!["1".parse().unwrap()])
                .word(),
            "nothing"
        );
        assert_eq!(
            story(images())
                .wish(|wish| wish.version = "2".parse().unwrap())
                .word(),
            "nothing"
        );
    }

    #[test]
    fn never_below_the_linked_image_without_a_reason() {
        let images = || vec![image("1", json!({})), image("2", json!({}))];
        let higher = || image("3", json!({}));
        let withdrawn = image(
            "3",
            json!({"withdrawn": {"reason": "broken", "since": NOW}}),
        );
        // Absence from the index is no reason.
        assert_eq!(story(images()).link(higher()).word(), "keep");
        assert_eq!(
            story(images())
                .link(higher())
                .wish(|wish| wish.skip = vec!["3".parse().unwrap()])
                .word(),
            "2"
        );
        assert_eq!(
            story(images())
                .link(higher())
                .wish(|wish| wish.version = "1".parse().unwrap())
                .word(),
            "1"
        );
        assert_eq!(
            story([images(), vec![withdrawn.clone()]].concat())
                .link(withdrawn)
                .word(),
            "2"
        );
        let unfit = image(
            "3",
            json!({"extension_release": {"ID": "debian", "VERSION_ID": "13"}}),
        );
        assert_eq!(story(images()).link(unfit).word(), "2");
    }

    #[test]
    fn a_hold_stays_at_what_is_linked_unless_it_can_not_run() {
        let images = || vec![image("1", json!({})), image("2", json!({}))];
        let held = story(images())
            .link(image("1", json!({})))
            .wish(|wish| wish.hold = true);
        assert_eq!(
            held.decide(),
            ("keep".into(), vec![Some(Rejection::Held), None])
        );
        let unfit = image(
            "3",
            json!({"extension_release": {"ID": "debian", "VERSION_ID": "13"}}),
        );
        assert_eq!(
            story(images())
                .link(unfit)
                .wish(|wish| wish.hold = true)
                .word(),
            "2"
        );
    }

    #[test]
    fn two_catalogs_are_never_guessed_between() {
        let mut story = story(vec![image("1", json!({}))]);
        let (_, index) = story.catalogs.first().unwrap().clone();
        story.catalogs.push(("other".parse().unwrap(), index));
        assert_eq!(story.word(), "2 catalogs");
        let bound = story.wish(|wish| wish.catalog = Some("other".parse().unwrap()));
        let (word, rejections) = bound.decide();
        assert_eq!(word, "1");
        assert!(
            rejections
                .iter()
                .flatten()
                .any(|rejection| matches!(rejection, Rejection::Catalog { .. }))
        );
    }

    #[test]
    fn a_rollout_reaches_this_host_at_its_share() {
        let rollout = |start: &str| {
            vec![image(
                "2",
                json!({"rollout": {"start": start, "hours": 72}}),
            )]
        };
        assert_eq!(story(rollout("2026-06-01T00:00:00Z")).word(), "2");
        let waiting = story(rollout("2026-06-20T00:00:00Z"));
        assert!(matches!(
            waiting.decide().1.as_slice(),
            [Some(Rejection::Rollout { .. })]
        ));
        let now = Story {
            patience: Patience::Now,
            ..waiting
        };
        assert_eq!(now.word(), "2");
        assert_eq!(
            story(rollout("2026-06-20T00:00:00Z"))
                .wish(|wish| wish.version = "2".parse().unwrap())
                .word(),
            "2"
        );
    }

    #[test]
    fn another_architecture_is_refused_whatever_the_extension_release_says() {
        let (word, rejections) = story(vec![image("1", json!({"architecture": "arm64"}))]).decide();
        assert_eq!(word, "nothing");
        assert!(matches!(
            rejections.as_slice(),
            [Some(Rejection::Architecture { .. })]
        ));
    }
}
