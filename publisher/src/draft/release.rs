//! What is said about images that are published already: withdrawn, in more channels, taken over some time. Their bytes
//! never change.

use serde_json::{Map, Value};
use sysext_formats::catalog::{
    Architecture, DEFAULT_CHANNEL, ExtensionIndex, Image, Rollout, Withdrawn,
};
use sysext_formats::name::{Channel, ExtensionName, TargetPath};
use sysext_formats::time::UtcTime;
use sysext_formats::version::Version;

use super::{DraftError, Editor};

/// Versions that are named where one was not found.
const NAMED: usize = 5;

/// Images of an extension.
#[derive(Debug, Clone)]
pub struct Which {
    /// The extension.
    pub extension: ExtensionName,
    /// Their version.
    pub version: Version,
    /// Only those for these machines.
    pub architecture: Option<Architecture>,
}

/// A change of what is said about images.
#[derive(Debug, Clone)]
pub enum ImageEdit {
    /// They must not be chosen any more, for this reason.
    Withdraw(String),
    /// They may be chosen again.
    Restore,
    /// They are in this channel, too.
    Promote(Channel),
    /// They are in this channel and in no other.
    PromoteOnly(Channel),
    /// They are in this channel no longer.
    Demote(Channel),
    /// Hosts take them over time.
    RollOut {
        /// Hours until the last ones do.
        hours: u32,
        /// When the first ones do; now, where nothing is said already.
        start: Option<UtcTime>,
    },
    /// All hosts take them now.
    RolledOut,
}

impl Editor {
    /// Changes what is said about images; what is said already is no change.
    ///
    /// # Errors
    /// When there are none, or it may not be said of one of them.
    pub fn edit_images(&mut self, which: &Which, edit: &ImageEdit) -> Result<(), DraftError> {
        let extension = &which.extension;
        let index = ExtensionIndex::read(extension, self.index(extension)?)?;
        let is_meant = |image: &&Image| {
            let mut architecture = which.architecture.iter();
            image.version == which.version && architecture.all(|it| *it == image.architecture)
        };
        let images: Vec<_> = index.images.iter().filter(is_meant).collect();
        if images.is_empty() {
            let mut versions: Vec<_> = index.images.iter().map(|it| it.version.clone()).collect();
            versions.dedup();
            versions.truncate(NAMED);
            return Err(DraftError::UnknownVersion {
                extension: extension.clone(),
                version: which.version.clone(),
                architecture: which.architecture.clone(),
                versions,
            });
        }
        let mut members = Vec::new();
        for image in images {
            if let Some((member, value)) = new_member(extension, image, edit, self.now)? {
                members.push((TargetPath::from(&image.file), member, value));
            }
        }
        for (path, member, value) in members {
            let target = self.touch_index(extension)?.targets.get_mut(&path);
            let custom = target.and_then(|target| target.custom.as_mut());
            // It has one, since an image was read from it.
            if let Some(sysext) = custom.and_then(sysext_of) {
                match value {
                    Some(value) => drop(sysext.insert(member.to_owned(), value)),
                    None => drop(sysext.remove(member)),
                }
            }
        }
        Ok(())
    }
}

fn sysext_of(custom: &mut Value) -> Option<&mut Map<String, Value>> {
    custom.get_mut("sysext")?.as_object_mut()
}

/// A member of an image, with its new value; `None` where it is so already.
type NewMember = Option<(&'static str, Option<Value>)>;

fn new_member(
    extension: &ExtensionName,
    image: &Image,
    edit: &ImageEdit,
    now: UtcTime,
) -> Result<NewMember, DraftError> {
    Ok(match edit {
        ImageEdit::Withdraw(reason) => match &image.withdrawn {
            Some(before) if before.reason == *reason => None,
            before => {
                let withdrawn = Withdrawn {
                    reason: reason.clone(),
                    since: before.as_ref().map_or(now, |it| it.since),
                };
                Some(("withdrawn", Some(serde_json::to_value(withdrawn)?)))
            }
        },
        ImageEdit::Restore => image.withdrawn.as_ref().map(|_| ("withdrawn", None)),
        ImageEdit::Promote(channel) => {
            refuse_promotion(extension, image, channel)?;
            let mut channels = image.channels.clone();
            channels.push(channel.clone());
            new_channels(image, channels)?
        }
        ImageEdit::PromoteOnly(channel) => {
            refuse_promotion(extension, image, channel)?;
            new_channels(image, vec![channel.clone()])?
        }
        ImageEdit::Demote(channel) => {
            let mut channels = image.channels.clone();
            channels.retain(|other| other != channel);
            if channels.is_empty() {
                return Err(DraftError::LastChannel {
                    file: image.file.clone(),
                    channel: channel.clone(),
                });
            }
            new_channels(image, channels)?
        }
        ImageEdit::RollOut { hours, start } => {
            refuse_withdrawn(image)?;
            // Saying it again does not begin it again.
            let same = image.rollout.as_ref().filter(|said| said.hours == *hours);
            let rollout = Rollout {
                start: start.or(same.map(|said| said.start)).unwrap_or(now),
                hours: *hours,
            };
            (image.rollout.as_ref() != Some(&rollout))
                .then(|| serde_json::to_value(rollout))
                .transpose()?
                .map(|value| ("rollout", Some(value)))
        }
        ImageEdit::RolledOut => image.rollout.as_ref().map(|_| ("rollout", None)),
    })
}

fn new_channels(image: &Image, mut channels: Vec<Channel>) -> Result<NewMember, DraftError> {
    channels.sort();
    channels.dedup();
    if channels == image.channels {
        return Ok(None);
    }
    Ok(Some(("channels", Some(serde_json::to_value(channels)?))))
}

fn refuse_promotion(
    extension: &ExtensionName,
    image: &Image,
    channel: &Channel,
) -> Result<(), DraftError> {
    if channel.as_str() == DEFAULT_CHANNEL && image.version.is_prerelease() {
        return Err(DraftError::Prerelease {
            extension: extension.clone(),
            version: image.version.clone(),
            channel: channel.clone(),
        });
    }
    refuse_withdrawn(image)
}

fn refuse_withdrawn(image: &Image) -> Result<(), DraftError> {
    match &image.withdrawn {
        None => Ok(()),
        Some(withdrawn) => Err(DraftError::Withdrawn {
            file: image.file.clone(),
            since: withdrawn.since,
            reason: withdrawn.reason.clone(),
        }),
    }
}
