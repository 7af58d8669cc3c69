//! A plot as SVG: curves over a logarithmic axis, with its own background, so that it is readable in light and dark viewers.

use std::fmt::Write;

/// A plot.
pub(crate) struct Picture {
    pub(crate) title: String,
    /// Text below the title: how it was measured.
    pub(crate) note: String,
    /// Labels of the axes, with units.
    pub(crate) x: &'static str,
    pub(crate) y: &'static str,
    /// At most two curves have distinct colours. All points are above 0.
    pub(crate) curves: Vec<Curve>,
}

/// Points from left to right.
pub(crate) struct Curve {
    pub(crate) name: &'static str,
    pub(crate) points: Vec<Point>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Point {
    pub(crate) x: f64,
    pub(crate) y: f64,
    /// The range of the values of which `y` is the median.
    pub(crate) low: f64,
    pub(crate) high: f64,
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 440.0;
/// Edges of the plot area.
const LEFT: f64 = 76.0;
const RIGHT: f64 = WIDTH - 36.0;
const TOP: f64 = 92.0;
const BOTTOM: f64 = HEIGHT - 64.0;
/// Colour and dashes, distinguishable in grey.
const INKS: [(&str, &str); 2] = [("#b3400e", "none"), ("#1f5fa8", "7 4")];
/// Above this ratio of the highest to the lowest value, the axis is logarithmic.
const LINEAR_UP_TO: f64 = 8.0;

/// Maps a value to its position on an axis.
struct Scale {
    is_logarithmic: bool,
    values: [f64; 2],
    places: [f64; 2],
}

impl Scale {
    fn place(&self, value: f64) -> f64 {
        let on = |value: f64| if self.is_logarithmic { value.ln() } else { value };
        let [from, to] = self.values.map(on);
        let share = if to > from { (on(value) - from) / (to - from) } else { 0.5 };
        self.places[0] + share * (self.places[1] - self.places[0])
    }

    /// Round values within the axis: about five, or 1, 2 and 5 of each power of ten.
    fn ticks(&self) -> Vec<f64> {
        let [from, to] = self.values;
        if self.is_logarithmic {
            let powers = (-3..12).map(|power| 10_f64.powi(power));
            let all = powers.flat_map(|power| [1.0, 2.0, 5.0].map(|digit| digit * power));
            return all.filter(|tick| (from..=to).contains(tick)).collect();
        }
        let power = 10_f64.powf(((to - from) / 5.0).log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|digit| digit * power).into_iter().find(|step| (to - from) / step <= 6.0).unwrap_or(power);
        (0..).map(|n| n as f64 * step).take_while(|tick| *tick <= to).collect()
    }
}

impl Picture {
    /// The text of the file.
    pub(crate) fn svg(&self) -> String {
        let points = || self.curves.iter().flat_map(|curve| &curve.points);
        let span = |of: fn(&Point) -> [f64; 2]| {
            points().flat_map(of).fold([f64::INFINITY, 0.0], |[low, high], value| [low.min(value), high.max(value)])
        };
        let ([first, last], [lowest, highest]) = (span(|p| [p.x; 2]), span(|p| [p.low, p.high]));
        let x = Scale { is_logarithmic: true, values: [first, last], places: [LEFT + 24.0, RIGHT - 24.0] };
        let is_logarithmic = highest > lowest * LINEAR_UP_TO;
        let values = if is_logarithmic { [lowest / 1.6, highest * 1.4] } else { [0.0, highest * 1.15] };
        let y = Scale { is_logarithmic, values, places: [BOTTOM, TOP] };
        let mut svg = String::new();
        // Writing to a string cannot fail.
        let _ = self.frame(&x, &y, &mut svg);
        for (curve, ink) in self.curves.iter().zip(INKS) {
            // Keep numbers away from the other curve.
            let is_below = |n: usize, y: f64| self.curves.iter().any(|other| other.points.get(n).is_some_and(|point| point.y > y));
            let _ = curve.draw((&x, &y), ink, is_below, &mut svg);
        }
        svg.push_str("</svg>\n");
        svg
    }

    /// Background, texts, axes, the names of the curves.
    fn frame(&self, x: &Scale, y: &Scale, svg: &mut String) -> std::fmt::Result {
        writeln!(
            svg,
            r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" font-family="Helvetica, Arial, sans-serif" font-size="13" fill="#222">"##
        )?;
        writeln!(svg, "<title>{}</title>", self.title)?;
        writeln!(svg, r##"<rect width="{WIDTH}" height="{HEIGHT}" rx="6" fill="#fdfdfb" stroke="#c8c8c4"/>"##)?;
        writeln!(svg, r#"<text x="20" y="28" font-size="17" font-weight="bold">{}</text>"#, self.title)?;
        writeln!(svg, r##"<text x="20" y="47" fill="#555">{}</text>"##, self.note)?;
        for tick in y.ticks() {
            let at = y.place(tick);
            writeln!(svg, r##"<path d="M{LEFT} {at:.1}H{RIGHT}" stroke="#e2e2dd"/>"##)?;
            writeln!(svg, r#"<text x="{:.1}" y="{:.1}" text-anchor="end">{}</text>"#, LEFT - 8.0, at + 4.5, short(tick))?;
        }
        for point in self.curves.iter().take(1).flat_map(|curve| &curve.points) {
            let at = x.place(point.x);
            writeln!(svg, r##"<path d="M{at:.1} {BOTTOM}v5" stroke="#555"/>"##)?;
            writeln!(svg, r#"<text x="{at:.1}" y="{:.1}" text-anchor="middle">{}</text>"#, BOTTOM + 21.0, short(point.x))?;
        }
        writeln!(svg, r##"<path d="M{LEFT} {TOP}V{BOTTOM}H{RIGHT}" fill="none" stroke="#555"/>"##)?;
        let kind = |scale: &Scale| if scale.is_logarithmic { " (logarithmic)" } else { "" };
        let (middle, below) = ((LEFT + RIGHT) / 2.0, HEIGHT - 18.0);
        writeln!(svg, r#"<text x="{middle:.1}" y="{below:.1}" text-anchor="middle">{}{}</text>"#, self.x, kind(x))?;
        let beside = (TOP + BOTTOM) / 2.0;
        writeln!(svg, r#"<text transform="translate(22 {beside:.1}) rotate(-90)" text-anchor="middle">{}{}</text>"#, self.y, kind(y))?;
        for ((curve, (ink, dashes)), n) in self.curves.iter().zip(INKS).zip(0..) {
            let at = LEFT + 4.0 + f64::from(n) * 250.0;
            writeln!(
                svg,
                r#"<path d="M{at:.1} 70h26" stroke="{ink}" stroke-dasharray="{dashes}" stroke-width="2.5"/><circle cx="{:.1}" cy="70" r="4" fill="{ink}"/>"#,
                at + 13.0
            )?;
            writeln!(svg, r#"<text x="{:.1}" y="74.5">{}</text>"#, at + 34.0, curve.name)?;
        }
        Ok(())
    }
}

impl Curve {
    fn draw(
        &self,
        (x, y): (&Scale, &Scale),
        ink: (&str, &str),
        is_below: impl Fn(usize, f64) -> bool,
        svg: &mut String,
    ) -> std::fmt::Result {
        let (ink, dashes) = ink;
        let line: Vec<String> = self.points.iter().map(|p| format!("{:.1},{:.1}", x.place(p.x), y.place(p.y))).collect();
        let line = line.join(" ");
        writeln!(svg, r#"<polyline points="{line}" fill="none" stroke="{ink}" stroke-dasharray="{dashes}" stroke-width="2.5"/>"#)?;
        for (n, point) in self.points.iter().enumerate() {
            let (at, high, low) = (x.place(point.x), y.place(point.high), y.place(point.low));
            let number_at = if is_below(n, point.y) { low + 18.0 } else { high - 9.0 };
            writeln!(svg, r#"<path d="M{at:.1} {high:.1}V{low:.1}" stroke="{ink}" stroke-width="1.2"/>"#)?;
            writeln!(svg, r#"<circle cx="{at:.1}" cy="{:.1}" r="4" fill="{ink}"/>"#, y.place(point.y))?;
            writeln!(svg, r#"<text x="{at:.1}" y="{number_at:.1}" text-anchor="middle" fill="{ink}">{}</text>"#, short(point.y))?;
        }
        Ok(())
    }
}

/// With a comma for thousands, and few digits.
pub(crate) fn short(number: f64) -> String {
    let whole = number.round() as u64;
    match whole {
        0 if number > 0.0 => format!("{number:.1}"),
        0..1_000 => whole.to_string(),
        1_000..1_000_000 => format!("{},{:03}", whole / 1_000, whole % 1_000),
        _ => format!("{},{:03},{:03}", whole / 1_000_000, whole / 1_000 % 1_000, whole % 1_000),
    }
}
