//! A catalog of any size, made by the library that publishes real ones, so that its documents have the same shape: the same
//! groups, versions counted up, everything checked as hosts check it. Only the bytes of images are left out.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use clap::Parser as _;
use sysext_publish::cli::Cli;
use sysext_publish::context::{Context, Environment};
use sysext_publish::draft::Editor;
use sysext_publish::failure::{Failure, Kind};
use sysext_publish::location::Store;
use sysext_publish::published::{LookUp, Published};
use sysext_publish::selfcheck::Before;
use sysext_publish::session::Session;
use sysext_publish::signer::{Configured, SignedDraft};
use sysext_publish::staged::Arrivals;
use sysext_publish::upload;
use test_repos::big_catalog;

/// Images that one publication adds.
const AT_ONCE: usize = 5_000;

/// Writes `extensions` extensions of `versions` images each into `folder`.
///
/// # Errors
/// When something is there already, or can not be written.
pub(crate) fn write(
    folder: &Path,
    (extensions, versions): (usize, usize),
    url: &str,
    environment: Environment,
) -> Result<(), Failure> {
    let config = folder.join("sysext-publish.toml");
    std::fs::create_dir_all(folder).map_err(failed)?;
    let init = ["sysext-publish", "--quiet", "--config"].map(Path::new);
    let init = init.into_iter().chain([config.as_path()]);
    let words = [
        "init",
        "public",
        "--id",
        "scale",
        "--unencrypted",
        "--url",
        url,
    ];
    let cli = Cli::try_parse_from(init.chain(words.map(Path::new))).map_err(failed)?;
    let context = Context::new(cli.globals.clone(), environment);
    sysext_publish::cmd::run(&context, cli.command)?;

    let named: Vec<_> = (0..extensions).map(big_catalog::extension).collect();
    let tables: String = named
        .iter()
        .map(|(name, info)| big_catalog::configuration(name, info))
        .collect();
    let mut file = OpenOptions::new().append(true).open(&config);
    let written = file.as_mut().map(|file| file.write_all(tables.as_bytes()));
    written.map_err(failed)?.map_err(failed)?;

    let session = Session::open(&context)?;
    let store = session.store(&context)?;
    publish(&context, &session, store.as_ref(), |editor, published| {
        let root = published.stage().root();
        let keys = &root.roles.targets.keyids;
        let keys: Vec<_> = keys
            .iter()
            .filter_map(|id| root.keys.get(id))
            .cloned()
            .collect();
        for (name, info) in named {
            editor.add_extension(&name, &keys, info)?;
        }
        Ok(())
    })?;
    let numbers: Vec<_> = (0..extensions).collect();
    for numbers in numbers.chunks((AT_ONCE / versions.max(1)).max(1)) {
        publish(&context, &session, store.as_ref(), |editor, published| {
            for number in numbers {
                let (name, _) = big_catalog::extension(*number);
                let group = editor.catalog().group_of(&name);
                if group.is_some_and(|role| !editor.catalog().groups.contains_key(role))
                    && let Some((role, group)) = published.group_of(&name)?
                {
                    editor.load_group(&role, group);
                }
                if let LookUp::Index(index) = published.look_up(&name)? {
                    editor.load_index(&name, index);
                }
                for image in big_catalog::images(*number, versions, context.now()) {
                    editor.add_image(&name, &image)?;
                }
            }
            Ok(())
        })?;
    }
    Ok(())
}

fn publish(
    context: &Context,
    session: &Session,
    store: &dyn Store,
    edit: impl FnOnce(&mut Editor, &mut Published<'_>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let expected = upload::timestamp(store)?;
    let mut published = session.published(context, store)?;
    let catalog = published.catalog();
    let catalog = catalog.ok_or_else(|| failed("targets.json is not there"))?;
    let mut editor = Editor::new(catalog, context.now(), session.config.policy());
    edit(&mut editor, &mut published)?;
    let Some(mut draft) = editor.finish()? else {
        return Ok(());
    };
    // Nobody brings their bytes.
    draft.images.clear();
    let roster = Configured {
        config: &session.config,
        ring: &session.ring,
    };
    let before = Before {
        first_root: session.pinned_root(),
        published: published.documents(),
        location: Some(store),
        now: context.now(),
    };
    let signed = SignedDraft::new(draft, &roster)?;
    let mut arrivals = Arrivals::new();
    let uploaded = session.publish(store, signed, &mut arrivals, Vec::new(), &before, expected)?;
    uploaded
        .map(drop)
        .ok_or_else(|| failed("somebody else published meanwhile"))
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::new(Kind::Failed, error.to_string())
}
