//! Transfer files: what a host tells systemd-sysupdate of one extension, as sysupdate.d(5) has it.

use sysext_formats::catalog::Image;
use sysext_formats::name::ExtensionName;
use url::Url;

/// The transfer file of an extension in the catalog at `url`; `images` are those that are published of it.
#[must_use]
pub fn text(name: &ExtensionName, url: &Url, images: &[Image]) -> String {
    // The architecture is part of each pattern, or it would be read as part of the version.
    let mut patterns = vec![format!("{name}_@v_%a.raw"), format!("{name}_@v_noarch.raw")];
    // The OS is in the file names of those that are for one only.
    let is_bound = |image: &Image| image.extension_release.bound_to().is_some();
    if images.iter().any(is_bound) {
        patterns.insert(0, format!("{name}_@v_%o-%w_%a.raw"));
    }
    let patterns = patterns.join(" ");
    // % begins a specifier.
    let base = url.as_str().trim_end_matches('/').replace('%', "%%");
    format!(
        "# {name} by systemd-sysupdate: once, mkdir -p /var/lib/extensions.d /var/lib/extensions, and the vendor's OpenPGP\n\
         # key in /etc/systemd/import-pubring.gpg. Then: systemd-sysupdate -C {name} update\n\
         [Transfer]\nVerify=yes\n\n\
         [Source]\nType=url-file\nPath={base}/images\nMatchPattern={patterns}\n\n\
         [Target]\nType=regular-file\nPath=/var/lib/extensions.d\nMatchPattern={patterns}\n\
         CurrentSymlink=/var/lib/extensions/{name}.raw\nInstancesMax=2\nMode=0644\n"
    )
}
