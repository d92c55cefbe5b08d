//! Whether an image is published already, and what was asked for it in vain: publishing it again does not change it.
//!
//! Only what was asked for and is not so is told, once in a run. It is no error: the same command is run again and again.

use std::path::Path;

use sysext_formats::catalog::Image;
use sysext_formats::digest::Sha256Digest;
use sysext_formats::name::{ExtensionName, FileName};
use sysext_formats::role::TargetFile;

use super::{Intake, Request};
use crate::arrival::Identity;
use crate::elsewhere::Folder;
use crate::failure::Failure;
use crate::reconcile::Attempt;

impl Intake<'_> {
    /// Whether exactly this file is known to be published, from its name and from what was hashed before: nothing of it is
    /// read.
    ///
    /// # Errors
    /// When the index of its extension can not be verified.
    pub fn is_known_to_be_published(
        &mut self,
        path: &Path,
        attempt: &mut Attempt<'_, '_>,
    ) -> Result<bool, Failure> {
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .and_then(|name| name.parse::<FileName>().ok());
        let Some(extension) = name.and_then(|name| name.extension()) else {
            return Ok(false);
        };
        let Some(digest) = self.known.get(&Identity::at(path)?) else {
            return Ok(false);
        };
        if !attempt.is_delegated(&extension)? {
            return Ok(false);
        }
        self.load(&extension, attempt)?;
        self.is_published(path, &extension, digest, attempt)
    }

    /// Whether these bytes are published; then it is said, once in a run, what was asked for them in vain.
    pub(super) fn is_published(
        &mut self,
        path: &Path,
        extension: &ExtensionName,
        sha256: Sha256Digest,
        attempt: &Attempt<'_, '_>,
    ) -> Result<bool, Failure> {
        let Some(index) = attempt.editor.catalog().indexes.get(extension) else {
            return Ok(false);
        };
        let is_meant = |target: &TargetFile| target.hashes.sha256() == Some(sha256);
        let mut there = index
            .targets
            .iter()
            .filter(|(_, it)| is_meant(it))
            .peekable();
        if there.peek().is_none() {
            return Ok(false);
        }
        if !self.asks() || !self.told.insert(path.to_owned()) {
            return Ok(true);
        }
        for (file, target) in there {
            let file = file.to_string().parse::<FileName>().ok();
            let image = file.and_then(|file| Image::read(file, target).ok());
            // Of an image that was taken in this run everything is so.
            let is_new = |image: &Image| {
                let mut new = attempt.editor.new_images();
                new.any(|(file, _)| *file == image.file)
            };
            let Some(image) = image.filter(|image| !is_new(image)) else {
                continue;
            };
            for why in ignored(&self.request, self.place.as_ref(), extension, &image) {
                let path = path.display();
                let text = format!("{path} is published already, as {}: {why}", image.file);
                self.context.ui.warn(text);
            }
        }
        Ok(true)
    }

    /// Whether anything was asked for that could be otherwise.
    fn asks(&self) -> bool {
        let request = &self.request;
        request.channels_asked
            || request.rollout_hours.is_some()
            || !request.fixes.is_empty()
            || request.links.is_some()
            || self.place.is_some()
    }
}

/// What was asked for and is not so, each with the way out.
pub(super) fn ignored(
    request: &Request,
    place: Option<&Folder>,
    extension: &ExtensionName,
    image: &Image,
) -> Vec<String> {
    let mut told = Vec::new();
    let version = &image.version;
    let missing = request.channels.iter();
    for channel in missing.filter(|it| request.channels_asked && !image.channels.contains(it)) {
        let there: Vec<_> = image.channels.iter().map(ToString::to_string).collect();
        let there = there.join(", ");
        told.push(format!(
            "it is in {there}; `promote {extension} {version} --channel {channel}` changes that"
        ));
    }
    if let Some(hours) = request.rollout_hours {
        let command = format!("`rollout {extension} {version} --hours {hours}` changes that");
        match &image.rollout {
            Some(rollout) if rollout.hours == hours.get() => {}
            Some(rollout) => told.push(format!(
                "hosts take it over {} hour(s) from {}; {command}",
                rollout.hours, rollout.start
            )),
            None => told.push(format!("all hosts take it; {command}")),
        }
    }
    let unsaid = request.fixes.iter().filter(|it| !image.fixes.contains(it));
    let unsaid: Vec<_> = unsaid.map(String::as_str).collect();
    if !unsaid.is_empty() {
        told.push(format!(
            "it is not said to fix {}, and that stays so; the next version can say it",
            unsaid.join(", ")
        ));
    }
    if request.links.is_some() && request.links != image.links {
        told.push("its links are others, and stay so; the next version can have new ones".into());
    }
    // One that could not be there with its name is not there.
    let asked = place.and_then(|place| place.url_of(&image.file).ok());
    if let Some(asked) = asked.filter(|asked| !image.urls.contains(asked)) {
        let there = image.urls.first();
        let there = there.map_or("in the catalog", String::as_str);
        told.push(format!("it is {there} and not {asked}, and stays there"));
    }
    told
}
