//! Which analyses of motion: those of `--species`, or those of the file.

use super::Arguments;
use vitrion::run_file::{AnalysisFile, FileAnalysis};
use vitrion_analysis::{
    DiffusionSettings, MotionPass, MotionSettings, MsdSettings, RecordingSettings,
};

/// Passes over the frames, one for all analyses that follow the same atoms.
pub(super) fn groups(arguments: &Arguments, config: Option<&AnalysisFile>) -> Vec<MotionPass> {
    let mut groups: Vec<(String, Vec<String>, Vec<MotionSettings>)> = Vec::new();
    let mut add = |species: &str, framework: Vec<String>, settings: MotionSettings| {
        let same = groups.iter_mut().find(|group| group.0 == species && group.1 == framework);
        match same {
            Some(group) => group.2.push(settings),
            None => groups.push((species.to_owned(), framework, vec![settings])),
        }
    };
    if let Some(species) = &arguments.species {
        for settings in usual(arguments) {
            add(species, arguments.framework.clone(), settings);
        }
    }
    for table in config.iter().flat_map(|file| &file.analyses) {
        let FileAnalysis::Motion(table) = &table.value else { continue };
        let framework = table.framework.iter().flatten().map(|element| element.value.clone());
        add(&table.species.value, framework.collect(), table.settings.clone());
    }
    let pass = |(species, framework, settings)| {
        let recording = RecordingSettings {
            species,
            framework,
            skip: arguments.skip,
            interval: arguments.frame_interval,
            temperature: arguments.temperature,
            unwrap: arguments.unwrap,
        };
        MotionPass::new(recording, settings)
    };
    groups.into_iter().map(pass).collect()
}

/// What is computed where only the mobile element is named.
fn usual(arguments: &Arguments) -> Vec<MotionSettings> {
    let mut all = vec![
        MotionSettings::MeanSquaredDisplacement(MsdSettings::default()),
        MotionSettings::NonGaussian,
    ];
    if arguments.temperature.is_some() {
        let (charge, window, axes) = (arguments.charge, None, None);
        all.push(MotionSettings::Diffusion(DiffusionSettings { charge, window, axes }));
    }
    all
}
