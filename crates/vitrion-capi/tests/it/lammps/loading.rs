//! A plugin that was built for another LAMMPS or another MPI says so, and does no harm.

use super::bench::Host;
use super::host;

fn load(host: &Host, plugin: &std::path::Path) -> String {
    let input = format!(
        "units metal\nplugin load {}\nplugin list\npair_style vitrion x\n",
        plugin.display()
    );
    host.run(1, &[], &input).text
}

#[test]
fn another_version_is_refused() {
    let Some(host) = host() else { return };
    let other =
        host.other_plugin("version", "-UVITRION_LAMMPS_VERSION -DVITRION_LAMMPS_VERSION=20240829");
    let text = load(&host, &other);
    let expected = "its version is 20250722, but the plugin was built for 20240829";
    assert!(text.contains(expected) && text.contains("build the plugin again"), "{text}");
    assert!(text.contains("Unrecognized pair style 'vitrion'"), "{text}");
}

#[test]
fn another_mpi_is_refused() {
    let Some(host) = host() else { return };
    let other = host.other_plugin("mpi", "-DOPEN_MPI");
    let text = load(&host, &other);
    assert!(text.contains("its MPI is MPICH, but the plugin was built for Open MPI"), "{text}");
}

#[test]
fn other_sizes_of_integers_are_refused() {
    let Some(host) = host() else { return };
    let other = host.other_plugin("sizes", "-DLAMMPS_BIGBIG");
    let text = load(&host, &other);
    assert!(text.contains("tagint is 4 bytes, but the plugin was built for 8"), "{text}");
}

#[test]
fn the_right_one_is_listed() {
    let Some(host) = host() else { return };
    let text = load(&host, &host.plugin);
    assert!(text.contains("   1: pair style plugin vitrion"), "{text}");
    assert!(!text.contains("Unrecognized"), "{text}");
}

#[test]
fn a_plugin_without_its_pair_style_says_which_file_is_missing() {
    let Some(host) = host() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let alone = folder.path().join("vitrionplugin.so");
    std::fs::copy(&host.plugin, &alone).expect("copied");
    let text = load(&host, &alone);
    assert!(
        text.contains("cannot load the pair style") && text.contains("vitrionpair.so"),
        "{text}"
    );
}

#[test]
fn a_source_tree_does_as_well_as_wheels() {
    let Some(host) = host() else { return };
    let text = load(&host, &host.plugin_of_a_source_tree());
    assert!(text.contains("   1: pair style plugin vitrion"), "{text}");
}
