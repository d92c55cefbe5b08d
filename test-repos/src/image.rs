//! Small real system extension images, made in process: squashfs, as every systemd merges it.
//!
//! - The same calls give the same bytes: no clock, no owner, no order of a directory gets in.
//! - An [`ImageSpec`] that says nothing else is a good image for every host: `ID=_any`, one program, its version in a
//!   file, so that two versions never have the same bytes. The other methods make it special, or a lie.
//! - It can say about itself what an index must say about it ([`ImageSpec::release_fields`], [`ImageSpec::units`] …).
//!
//! ```
//! use test_repos::image::ImageSpec;
//!
//! let image = ImageSpec::new("k3s").version("1.31.5").unit("k3s.service", "[Service]\nExecStart=/usr/bin/k3s\n");
//! assert_eq!(image.build(), image.clone().build());
//! ```

use std::collections::BTreeMap;
use std::io::Cursor;

use backhand::compression::{CompressionOptions, Compressor, Gzip};
use backhand::{FilesystemCompressor, FilesystemWriter, NodeHeader};

/// What an image is to be.
#[derive(Debug, Clone)]
pub struct ImageSpec {
    name: String,
    version: String,
    release: Release,
    entries: BTreeMap<String, Entry>,
    compressed: bool,
}

#[derive(Debug, Clone)]
struct Release {
    /// The name behind `extension-release.`; `None` leaves the file out.
    name: Option<String>,
    fields: BTreeMap<String, String>,
}

#[derive(Debug, Clone)]
enum Entry {
    File { mode: u16, bytes: Vec<u8> },
    Link(String),
}

impl ImageSpec {
    /// An extension of this name, version 1, for every host.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let program = format!("#!/bin/sh\nexec cat /usr/share/{name}/version\n");
        Self {
            name: name.to_owned(),
            version: String::new(),
            release: Release {
                name: Some(name.to_owned()),
                fields: BTreeMap::from([("ID".to_owned(), "_any".to_owned())]),
            },
            entries: BTreeMap::new(),
            compressed: false,
        }
        .version("1")
        .file(&format!("usr/bin/{name}"), 0o755, program)
    }

    /// The version that its program prints.
    #[must_use]
    pub fn version(mut self, version: &str) -> Self {
        self.version = version.to_owned();
        let path = format!("usr/share/{}/version", self.name);
        self.file(&path, 0o644, format!("{version}\n"))
    }

    /// `ID`; of another value than `_any`, hosts look at further fields.
    #[must_use]
    pub fn os(self, id: &str) -> Self {
        self.extra_release_field("ID", id)
    }

    /// `VERSION_ID`.
    #[must_use]
    pub fn version_id(self, version_id: &str) -> Self {
        self.extra_release_field("VERSION_ID", version_id)
    }

    /// `SYSEXT_LEVEL`.
    #[must_use]
    pub fn sysext_level(self, level: &str) -> Self {
        self.extra_release_field("SYSEXT_LEVEL", level)
    }

    /// `SYSEXT_SCOPE`.
    #[must_use]
    pub fn scope(self, scope: &str) -> Self {
        self.extra_release_field("SYSEXT_SCOPE", scope)
    }

    /// `ARCHITECTURE`, in systemd's words.
    #[must_use]
    pub fn architecture(self, architecture: &str) -> Self {
        self.extra_release_field("ARCHITECTURE", architecture)
    }

    /// Any field of its extension-release file.
    #[must_use]
    pub fn extra_release_field(mut self, key: &str, value: &str) -> Self {
        self.release.fields.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Its extension-release file carries another extension's name.
    #[must_use]
    pub fn release_name(mut self, name: &str) -> Self {
        self.release.name = Some(name.to_owned());
        self
    }

    /// It has no extension-release file.
    #[must_use]
    pub fn without_release(mut self) -> Self {
        self.release.name = None;
        self
    }

    /// A file; `path` without a leading `/`.
    #[must_use]
    pub fn file(mut self, path: &str, mode: u16, bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        self.entries
            .insert(path.to_owned(), Entry::File { mode, bytes });
        self
    }

    /// A symbolic link.
    #[must_use]
    pub fn link(mut self, path: &str, target: &str) -> Self {
        self.entries
            .insert(path.to_owned(), Entry::Link(target.to_owned()));
        self
    }

    /// A program that runs as its owner, root.
    #[must_use]
    pub fn setuid(self, path: &str) -> Self {
        self.file(path, 0o4755, "#!/bin/sh\nid\n")
    }

    /// A system unit.
    #[must_use]
    pub fn unit(self, name: &str, text: &str) -> Self {
        self.file(&format!("usr/lib/systemd/system/{name}"), 0o644, text)
    }

    /// This many bytes that do not compress, the same for the same seed.
    #[must_use]
    pub fn padding(self, length: usize, seed: u64) -> Self {
        let path = format!("usr/share/{}/padding", self.name);
        self.file(&path, 0o644, pseudo_random(length, seed))
    }

    /// Compresses inside of the image. Without, it is stored, and patches are small.
    #[must_use]
    pub fn compressed(mut self) -> Self {
        self.compressed = true;
        self
    }

    /// The extension's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The version that was set.
    #[must_use]
    pub fn version_text(&self) -> &str {
        &self.version
    }

    /// The fields of its extension-release file.
    #[must_use]
    pub fn release_fields(&self) -> &BTreeMap<String, String> {
        &self.release.fields
    }

    /// The names of its units, sorted.
    #[must_use]
    pub fn units(&self) -> Vec<&str> {
        let unit = |path: &String| path.starts_with("usr/lib/systemd/system/");
        let paths = self.entries.keys().filter(|path| unit(path));
        paths.filter_map(|path| path.rsplit('/').next()).collect()
    }

    /// The absolute paths of its setuid and setgid files, sorted.
    #[must_use]
    pub fn setuid_files(&self) -> Vec<String> {
        let privileged =
            |entry: &Entry| matches!(entry, Entry::File { mode, .. } if mode & 0o6000 != 0);
        let entries = self.entries.iter().filter(|(_, entry)| privileged(entry));
        entries.map(|(path, _)| format!("/{path}")).collect()
    }

    /// Whether files are stored compressed.
    #[must_use]
    pub fn is_compressed(&self) -> bool {
        self.compressed
    }

    /// The image.
    ///
    /// # Panics
    /// When a path can not be in an image.
    #[must_use]
    pub fn build(&self) -> Vec<u8> {
        let release = self.release_file();
        let mut writer = FilesystemWriter::default();
        writer.set_compressor(self.compressor());
        // The kernel refuses level 0 when it stands in the image, and needs no options at all.
        writer.set_emit_compression_options(false);
        writer.set_root_mode(0o755);
        let header = |mode| NodeHeader::new(mode, 0, 0, 0);
        let entries = self
            .entries
            .iter()
            .chain(release.as_ref().map(|(path, entry)| (path, entry)));
        for (path, entry) in entries {
            if let Some((directory, _)) = path.rsplit_once('/') {
                writer.push_dir_all(directory, header(0o755)).unwrap();
            }
            match entry {
                Entry::File { mode, bytes } => writer
                    .push_file(Cursor::new(bytes.as_slice()), path, header(*mode))
                    .unwrap(),
                Entry::Link(target) => writer.push_symlink(target, path, header(0o777)).unwrap(),
            }
        }
        let mut image = Cursor::new(Vec::new());
        writer.write(&mut image).unwrap();
        image.into_inner()
    }

    fn compressor(&self) -> FilesystemCompressor {
        let options = CompressionOptions::Gzip(Gzip {
            compression_level: if self.compressed { 9 } else { 0 },
            window_size: 15,
            strategies: 0,
        });
        FilesystemCompressor::new(Compressor::Gzip, Some(options)).unwrap()
    }

    fn release_file(&self) -> Option<(String, Entry)> {
        let name = self.release.name.as_ref()?;
        let assign = |(key, value): (&String, &String)| format!("{key}=\"{value}\"\n");
        let text: String = self.release.fields.iter().map(assign).collect();
        let path = format!("usr/lib/extension-release.d/extension-release.{name}");
        let bytes = text.into_bytes();
        Some((path, Entry::File { mode: 0o644, bytes }))
    }
}

/// Bytes that look random to a compressor and are the same for the same seed (xorshift).
#[must_use]
pub fn pseudo_random(length: usize, seed: u64) -> Vec<u8> {
    // Spread, so that neighbouring seeds begin far apart; never zero, from which it would not move.
    let mut state = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// The image without its end; `keep` bytes stay.
#[must_use]
pub fn truncated(image: &[u8], keep: usize) -> Vec<u8> {
    image[..keep].to_vec()
}

/// The image with a superblock that is one by its magic, and whose inode table begins far behind the end.
#[must_use]
pub fn corrupt_superblock(image: &[u8]) -> Vec<u8> {
    const INODE_TABLE_START: usize = 64;
    let mut image = image.to_vec();
    image[INODE_TABLE_START..INODE_TABLE_START + 8].copy_from_slice(&(1_u64 << 60).to_le_bytes());
    image
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Read as _};
    use std::process::Command;

    use backhand::{FilesystemReader, InnerNode};

    use super::*;

    fn spec() -> ImageSpec {
        ImageSpec::new("k3s")
            .version("1.2.3")
            .os("debian")
            .version_id("12")
            .architecture("x86-64")
            .setuid("usr/bin/k3s-helper")
            .unit("k3s.service", "[Service]\nExecStart=/usr/bin/k3s\n")
            .link("usr/bin/kubectl", "k3s")
            .padding(300_000, 7)
    }

    /// Path, mode, and content or link target of everything but directories.
    fn read_back(image: Vec<u8>) -> BTreeMap<String, (u16, Vec<u8>)> {
        let reader = FilesystemReader::from_reader(BufReader::new(Cursor::new(image))).unwrap();
        let mut found = BTreeMap::new();
        for node in reader.files() {
            let content = match &node.inner {
                InnerNode::File(file) => {
                    let mut bytes = Vec::new();
                    reader.file(file).reader().read_to_end(&mut bytes).unwrap();
                    bytes
                }
                InnerNode::Symlink(link) => link.link.to_str().unwrap().into(),
                _ => continue,
            };
            let path = node.fullpath.to_str().unwrap().to_owned();
            found.insert(path, (node.header.permissions, content));
        }
        found
    }

    #[test]
    fn an_image_holds_what_was_asked_for() {
        let found = read_back(spec().build());
        let content = |path: &str| String::from_utf8(found[path].1.clone()).unwrap();
        assert_eq!(content("/usr/share/k3s/version"), "1.2.3\n");
        assert_eq!(content("/usr/bin/kubectl"), "k3s");
        assert_eq!(
            content("/usr/lib/extension-release.d/extension-release.k3s"),
            "ARCHITECTURE=\"x86-64\"\nID=\"debian\"\nVERSION_ID=\"12\"\n"
        );
        assert_eq!(found["/usr/bin/k3s-helper"].0, 0o4755);
        assert_eq!(found["/usr/share/k3s/padding"].1, pseudo_random(300_000, 7));
        assert_eq!(found.len(), 7);
        assert_eq!(spec().units(), ["k3s.service"]);
        assert_eq!(spec().setuid_files(), ["/usr/bin/k3s-helper"]);
    }

    #[test]
    fn the_same_image_is_the_same_bytes_and_another_version_is_not() {
        assert_eq!(spec().build(), spec().build());
        assert_ne!(spec().build(), spec().version("1.2.4").build());
        assert_ne!(pseudo_random(100, 1), pseudo_random(100, 2));
        let stored = ImageSpec::new("a").file("usr/a", 0o644, vec![b'a'; 1 << 20]);
        assert!(stored.build().len() > 1 << 20);
        assert!(stored.compressed().build().len() < 1 << 14);
    }

    #[test]
    fn an_image_can_lie_about_its_name_or_say_nothing() {
        let release = |spec: ImageSpec| {
            let found = read_back(spec.build());
            let mut paths = found.into_keys();
            paths.find(|path| path.contains("extension-release"))
        };
        let lie = release(spec().release_name("other")).unwrap();
        assert!(lie.ends_with("extension-release.other"));
        assert_eq!(release(spec().without_release()), None);
    }

    #[test]
    fn damaged_images_do_not_open() {
        let image = spec().build();
        for damaged in [
            truncated(&image, image.len() / 2),
            corrupt_superblock(&image),
        ] {
            let reader = BufReader::new(Cursor::new(damaged));
            assert!(FilesystemReader::from_reader(reader).is_err());
        }
    }

    /// The oracle is squashfs-tools, where it is installed.
    #[test]
    fn other_software_reads_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("image.raw");
        std::fs::write(&path, spec().build()).unwrap();
        let Ok(output) = Command::new("unsquashfs").arg("-ll").arg(&path).output() else {
            println!("skipped: unsquashfs is not installed");
            return;
        };
        let listing = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{listing}");
        let has = |mode: &str, path: &str| {
            let line = |line: &&str| line.starts_with(mode) && line.ends_with(path);
            listing.lines().any(|text| line(&text))
        };
        assert!(
            has("-rwsr-xr-x root/root", "usr/bin/k3s-helper"),
            "{listing}"
        );
        assert!(has("lrwxrwxrwx", "usr/bin/kubectl -> k3s"), "{listing}");
        assert!(has("drwxr-xr-x", "usr/lib/systemd/system"), "{listing}");
    }
}
