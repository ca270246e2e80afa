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
    assert!(text.contains("pair style vitrion") || text.contains("vitrion"), "{text}");
    assert!(!text.contains("Unrecognized"), "{text}");
}
