//! The charts of the page of a run, in the order of the page.

use super::chart::{Chart, distinct};
use super::load::Results;
use super::structural::{self, About};
use super::{bars, figures, heat_map};

/// A part of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Conductivity,
    Displacement,
    Correlations,
    Radial,
    Of(About),
    Thermo,
}

/// All charts, and the part of the page that each belongs to.
pub(super) struct Gallery {
    pub(super) charts: Vec<Chart>,
    places: Vec<Place>,
}

impl Gallery {
    pub(super) fn of(results: &Results) -> Gallery {
        let mut all = Gallery { charts: Vec::new(), places: Vec::new() };
        let mut arrhenius = figures::conductivity(results);
        if let Some(figure) = &mut arrhenius {
            figure.caption = figures::literature_caption();
        }
        all.add(Place::Conductivity, arrhenius);
        all.add(Place::Conductivity, figures::crystal_fraction(results));
        all.add(Place::Displacement, figures::displacement(results));
        all.add(Place::Correlations, figures::correlations(results));
        all.add(Place::Radial, figures::structure(results));
        for about in About::ALL {
            all.add(Place::Of(about), bars::of_runs(results, about));
            all.add(Place::Of(about), structural::of_runs(results, about));
            all.add(Place::Of(about), heat_map::of_runs(results, about));
        }
        all.add(Place::Thermo, figures::thermo(results));
        distinct(&mut all.charts);
        all
    }

    fn add<C: Into<Chart>>(&mut self, place: Place, charts: impl IntoIterator<Item = C>) {
        self.charts.extend(charts.into_iter().map(Into::into));
        self.places.resize(self.charts.len(), place);
    }

    /// The charts of a part of the page.
    pub(super) fn at(&self, place: Place) -> Vec<&Chart> {
        let all = self.charts.iter().zip(&self.places);
        all.filter(|(_, of)| **of == place).map(|(chart, _)| chart).collect()
    }
}
