//! The HTML at `/`: what this is, how to send, how to scrape, where to look. Knows only the facts that it is given.

use std::net::SocketAddr;

use super::problems::Problems;

const TEMPLATE: &str = include_str!("landing.html");

/// What the landing page shows.
#[derive(Debug)]
pub(super) struct LandingFacts<'a> {
    /// Where the metrics are.
    pub(super) telemetry_path: &'a str,
    /// Whether lines are taken now.
    pub(super) ready: bool,
    /// A shell line that sends a sample.
    pub(super) paste: Option<&'a str>,
    /// The address under which the client reached the bridge.
    pub(super) address: Option<SocketAddr>,
    /// What is wrong with what is sent.
    pub(super) problems: Problems,
}

/// The page, in one pass over the template, so that a `{{` within a fact is plain text.
pub(super) fn html(facts: &LandingFacts<'_>) -> String {
    let mut html = String::with_capacity(TEMPLATE.len() + 512);
    let mut rest = TEMPLATE;
    while let Some((before, mark)) = rest.split_once("{{") {
        let (name, after) = mark.split_once("}}").unwrap_or((mark, ""));
        html.push_str(before);
        html.push_str(&fill(name, facts));
        rest = after;
    }
    html.push_str(rest);
    html
}

fn fill(mark: &str, facts: &LandingFacts<'_>) -> String {
    match mark {
        "version" => env!("CARGO_PKG_VERSION").to_owned(),
        "path" => escape(facts.telemetry_path),
        "state" if facts.ready => r#"<span class="state ready">ready</span>"#.to_owned(),
        "state" => r#"<span class="state waiting">not ready</span>"#.to_owned(),
        "scrape" => escape(&scrape_config(facts)),
        "send" => facts
            .paste
            .map(|line| format!("<section>\n<h2>Send a sample</h2>\n<pre>{}</pre>\n</section>\n", escape(line)))
            .unwrap_or_default(),
        "problems" => problems(&facts.problems),
        _ => String::new(),
    }
}

/// Sections for what there is, nothing where there is nothing.
fn problems(problems: &Problems) -> String {
    let mut html = String::new();
    for (class, title, lines, path) in [
        ("trouble", "Rejected", &problems.rejections, "/api/v1/rejections"),
        ("trouble", "Limits hit", &problems.limits, "/api/v1/cardinality"),
        ("trouble", "Names in conflict", &problems.conflicts, "/api/v1/conflicts"),
        ("names", "Names without a rule", &problems.unmapped, "/api/v1/unmapped"),
    ] {
        if !lines.is_empty() {
            let items: String = lines.iter().map(|line| format!("<p>{}</p>\n", escape(line))).collect();
            html.push_str(&format!(
                "<section class=\"{class}\">\n<h2>{title}</h2>\n{items}<p><a href=\"{path}\">{path}</a></p>\n</section>\n"
            ));
        }
    }
    if problems.more > 0 {
        html.push_str(&format!("<p class=\"more\">and {} more</p>\n", problems.more));
    }
    html
}

/// What to put into prometheus.yml.
fn scrape_config(facts: &LandingFacts<'_>) -> String {
    let target = facts.address.map_or_else(|| "localhost:9102".to_owned(), |address| address.to_string());
    let path = match facts.telemetry_path {
        "/metrics" => String::new(),
        path => format!("    metrics_path: {path}\n"),
    };
    format!("scrape_configs:\n  - job_name: statsd\n{path}    static_configs:\n      - targets: [\"{target}\"]")
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // Nothing of the wire turns the text around it.
            c if c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') => {
                escaped.push(if c == '\n' { c } else { '\u{fffd}' });
            }
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACTS: LandingFacts<'static> = LandingFacts {
        telemetry_path: "/metrics",
        ready: true,
        paste: None,
        address: None,
        problems: Problems { rejections: Vec::new(), limits: Vec::new(), conflicts: Vec::new(), unmapped: Vec::new(), more: 0 },
    };

    #[test]
    fn every_mark_is_filled_and_what_is_filled_in_is_escaped() {
        let html = html(&LandingFacts { telemetry_path: "/m<\"{{version}}", paste: Some("echo 'a:1|c' > /dev/udp/h/9125 && x"), ..FACTS });
        assert!(html.contains("echo &#39;a:1|c&#39; &gt; /dev/udp/h/9125 &amp;&amp; x</pre>"));
        assert!(html.contains("<a href=\"/m&lt;&quot;{{version}}\">"), "a fact is text, whatever is in it");
        assert_eq!(html.matches("{{").count(), 3, "those of the path, three times, and none of the template");
        assert!(html.contains(env!("CARGO_PKG_VERSION")) && html.ends_with("</html>\n"));
    }

    #[test]
    fn it_says_only_what_holds() {
        assert!(!html(&FACTS).contains("Send a sample"));
        assert!(!html(&FACTS).contains("metrics_path"));
        assert!(html(&FACTS).contains(">ready<") && html(&LandingFacts { ready: false, ..FACTS }).contains(">not ready<"));
        let elsewhere = LandingFacts { telemetry_path: "/m", address: Some(([127, 0, 0, 1], 81).into()), ..FACTS };
        assert!(html(&elsewhere).contains("metrics_path: /m\n") && html(&elsewhere).contains("127.0.0.1:81"));
    }

    #[test]
    fn problems_are_shown_where_there_are_any_and_are_never_markup() {
        assert!(!html(&FACTS).contains("Limits hit") && !html(&FACTS).contains("Names in conflict"));
        let limits = vec!["login: <script>alert('u1')</script>\u{202e}\u{1b}".to_owned()];
        let conflicts = vec!["up&{{path}}".to_owned()];
        let page = html(&LandingFacts {
            problems: Problems { rejections: vec!["<b>: 1".to_owned()], limits, conflicts, unmapped: vec!["<i>".to_owned()], more: 3 },
            ..FACTS
        });
        assert!(page.contains("<p>login: &lt;script&gt;alert(&#39;u1&#39;)&lt;/script&gt;\u{fffd}\u{fffd}</p>"));
        assert!(page.contains("<p>up&amp;{{path}}</p>") && page.contains("and 3 more"));
        assert!(page.contains("<p>&lt;b&gt;: 1</p>") && page.contains("<p>&lt;i&gt;</p>"));
        assert!(!page.contains("<script"));
    }
}
