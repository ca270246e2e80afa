//! Statistics of correlated series: block averages, fits, resampling.
