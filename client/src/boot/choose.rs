//! Which image of the store an extension gets at boot. Pure: no network, no catalog, no clock.

use sysext_formats::name::ExtensionName;

use crate::config::Wish;
use crate::host::HostFacts;
use crate::select::{Rejection, unfit};
use crate::store::StoredImage;

/// What the configuration says about an extension, as far as it can be read.
#[derive(Debug, Clone, Copy)]
pub(super) enum Desired<'a> {
    /// It is wanted so.
    Wanted(&'a Wish),
    /// Nothing asks for it, or it is disabled.
    NotWanted,
    /// Its file is broken: what is linked stays, if it can.
    Unknown,
}

/// What an extension gets.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Choice<'a> {
    /// This image.
    Image(&'a StoredImage),
    /// No link, and that is as it should be.
    Nothing,
    /// No link, since nothing in the store will do: why, of the image that was to be had.
    LeftOut(Misfortune<'a>),
}

/// Why nothing will do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Misfortune<'a> {
    /// The store has no usable image of it.
    NoImage,
    /// The one that came nearest does not fit this root.
    Unfit(&'a StoredImage, Rejection),
    /// All that would fit are excluded by the configuration.
    Excluded,
}

/// Chooses: what is linked if it can stay, else what this root was last given, else the best of the store.
///
/// `linked` and `given` are only named where the store has them whole; `stored` are all images of this extension.
pub(super) fn choose<'a>(
    name: &ExtensionName,
    desired: Desired<'_>,
    host: &HostFacts,
    linked: Option<&'a StoredImage>,
    given: Option<&'a StoredImage>,
    stored: &[&'a StoredImage],
) -> Choice<'a> {
    debug_assert!(stored.iter().all(|image| image.extension == *name));
    let fits = |image: &StoredImage| unfit(host, &image.custom).is_none();
    if matches!(desired, Desired::NotWanted) {
        return Choice::Nothing;
    }
    // Whether the linked image is still the right version is for the next update.
    if let Some(image) = linked.filter(|image| fits(image)) {
        return Choice::Image(image);
    }
    let catalog = match desired {
        Desired::Wanted(wish) => wish.catalog.as_ref(),
        _ => None,
    };
    let catalog = catalog.or_else(|| linked.or(given).map(|image| &image.catalog));
    let allowed = |image: &StoredImage| {
        catalog.is_none_or(|catalog| image.catalog == *catalog)
            && match desired {
                Desired::Wanted(wish) => {
                    wish.version.allows(image.version())
                        && !wish.skip.contains(image.version())
                        && image.custom.channels.contains(&wish.channel)
                }
                _ => true,
            }
    };
    if let Some(image) = given.filter(|image| fits(image) && allowed(image)) {
        return Choice::Image(image);
    }
    let order = |image: &&&StoredImage| (image.version().clone(), image.custom.released);
    let best = stored
        .iter()
        .filter(|image| fits(image) && allowed(image))
        .max_by_key(order);
    if let Some(best) = best {
        return Choice::Image(best);
    }
    let nearest = linked
        .or(given)
        .or_else(|| stored.iter().max_by_key(order).copied());
    Choice::LeftOut(match nearest {
        None => Misfortune::NoImage,
        Some(image) => match unfit(host, &image.custom) {
            Some(reason) => Misfortune::Unfit(image, reason),
            None => Misfortune::Excluded,
        },
    })
}
