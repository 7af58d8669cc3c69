//! Settings from flags, and the errors of invalid values.

use super::*;
use crate::program::cli::parse_args;
use crate::program::net::Address;

fn settings(arguments: &[&str]) -> Result<Settings, String> {
    let arguments = std::iter::once(&"statsd-bridge").chain(arguments);
    let (args, names, _) = parse_args(arguments.map(Into::into)).expect("well-formed");
    super::settings(&args, &names)
}

#[test]
fn defaults_are_those_of_the_core_and_of_statsd_exporter() {
    let settings = settings(&[]).unwrap();
    assert_eq!(settings.bridge.limits, Limits::default());
    assert_eq!(settings.bridge.dialect, Dialect::default());
    assert_eq!(settings.bridge.observer, Observer::default());
    assert_eq!(settings.bridge.prefix, Prefix::Bridge);
    let texts = |addresses: &[Address]| addresses.iter().map(Address::to_string).collect::<Vec<_>>();
    assert_eq!((texts(&settings.udp), texts(&settings.tcp)), (vec![":9125".to_owned()], vec![":9125".to_owned()]));
    assert_eq!(settings.web.iter().map(WebAddress::to_string).collect::<Vec<_>>(), [":9102"]);
    assert!(settings.web_admin.is_empty() && settings.web_config.is_none() && settings.web_options.allow_from.is_empty());
    assert!(settings.unixgram.is_none() && settings.relay.targets.is_empty() && settings.without_effect.is_empty());
}

#[test]
fn compatibility_changes_defaults_that_no_flag_overrides() {
    let compat = settings(&["--compat=statsd_exporter"]).unwrap().bridge;
    assert_eq!(compat.observer, Observer::Summary(SummaryOptions::default()));
    assert_eq!(compat.prefix, Prefix::Exporter);
    assert!(compat.dialect.container_id && !compat.dialect.bare_tags);
    let mixed = ["--compat=statsd_exporter", "--statsd.observer-type=histogram", "--statsd.container-id=false"];
    let mixed = settings(&mixed).unwrap().bridge;
    assert_eq!(mixed.observer, Observer::default());
    assert!(!mixed.dialect.container_id && !mixed.dialect.bare_tags);
}

#[test]
fn names_are_legacy_by_default() {
    let names = |arguments: &[&str]| settings(arguments).map(|s| (s.bridge.names, s.mapping.names)).unwrap();
    assert_eq!(names(&[]), (NameValidation::Legacy, NameValidation::Legacy));
    assert_eq!(names(&["--name-validation=utf8"]), (NameValidation::Utf8, NameValidation::Utf8));
}

#[test]
fn an_empty_address_turns_a_listener_off() {
    let off = settings(&["--statsd.listen-udp=", "--statsd.listen-tcp="]).unwrap();
    assert!(off.udp.is_empty() && off.tcp.is_empty());
}

#[test]
fn a_state_file_enables_state() {
    let state = |arguments: &[&str]| settings(arguments).unwrap().state;
    assert_eq!((state(&[]), state(&["--state.file=", "--state.interval=1s"])), (None, None));
    let given = state(&["--state.file=/a/b"]).unwrap();
    assert_eq!((given.interval, given.max_age), (Duration::from_secs(30), Some(Duration::from_secs(24 * 3600))));
    assert_eq!(state(&["--state.file=b", "--state.max-age=0"]).unwrap().max_age, None);
}

#[test]
fn an_empty_list_is_none() {
    let none =
        settings(&["--preset=", "--statsd.mapping-config=", "--label=", "--web.allow-from=", "--statsd.histogram-buckets="]).unwrap();
    assert!(none.mapping.presets.is_empty() && none.mapping.paths.is_empty() && none.mapping.labels.is_empty());
    assert!(none.web_options.allow_from.is_empty());
    assert_eq!(none.bridge.observer, Observer::default());
}

#[test]
fn buckets_ascend() {
    let bounds = |text: &str| settings(&[&format!("--statsd.histogram-buckets={text}")]).map(|s| s.bridge.observer);
    assert_eq!(bounds("-1,.5,2e3,+Inf"), Ok(Observer::histogram(Buckets::new([-1.0, 0.5, 2000.0]).unwrap())));
    for wrong in ["2,1", "1,1", "nan", "inf", "1,inf,2"] {
        assert!(bounds(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn defaults_of_native_buckets_are_those_of_client_libraries() {
    let native = |flags: &[&str]| settings(flags).map(|settings| settings.bridge.native);
    assert_eq!(native(&[]), Ok(NativeHistograms::default()));
    let (when, options) = (NativeWhen::Always, NativeOptions { schema: 0, max_buckets: 256, ..NativeOptions::default() });
    let all = ["--statsd.native-histograms=always", "--statsd.native-histogram-factor=2", "--statsd.native-histogram-max-buckets=256"];
    assert_eq!(native(&all), Ok(NativeHistograms { when, options: Some(options) }));
    assert_eq!(native(&["--statsd.native-histogram-factor=1"]).unwrap().options, None);
}

#[test]
fn errors_name_their_flag() {
    for (arguments, expected) in [
        (&["--statsd.unixsocket-mode=abc"][..], "--statsd.unixsocket-mode: expected octal permissions such as 755, got \"abc\""),
        (
            &["--exemplars.tag=a:b"],
            "--exemplars.tag: \"a:b\" cannot be the key of a tag: a key is not empty and has no : , | # and no line end",
        ),
        (&["--web.telemetry-path=metrics"], "--web.telemetry-path: expected a path that begins with /, got \"metrics\""),
        (&["--web.no-auth-paths=/-/healthy,metrics"], "--web.no-auth-paths: expected a path that begins with /, got \"metrics\""),
        (&["--web.no-auth-paths=//-/quit"], "--web.no-auth-paths: //-/quit changes something and always needs a password"),
        (
            &["--web.allow-from=10.0.0.0/8,here"],
            "--web.allow-from: \"here\" is not a network; expected a form such as 10.0.0.0/8, fd00::/8 or 127.0.0.1",
        ),
        (
            &["--statsd.listen-udp=udp://127.0.0.1:9125"],
            "--statsd.listen-udp: \"udp://127.0.0.1:9125\" is not an address: it begins with a scheme; write 127.0.0.1:9125",
        ),
        (
            &["--statsd.listen-udp=unix:/run/s"],
            "--statsd.listen-udp: \"unix:/run/s\" is a path, not HOST:PORT; for a Unix datagram socket, use --statsd.listen-unixgram=/run/s",
        ),
        (
            &["--statsd.relay.address=/run/s"],
            "--statsd.relay.address: \"/run/s\" is a path, not HOST:PORT; for a Unix datagram socket, write unix:///run/s",
        ),
        (&["--statsd.listen-unixgram=unix:///run/s"], "--statsd.listen-unixgram: \"unix:///run/s\" begins with a scheme; write /run/s"),
        (
            &["--statsd.listen-unixgram=unixstream:///run/s"],
            "--statsd.listen-unixgram: \"unixstream:///run/s\" is for a stream; use --statsd.listen-unix=/run/s",
        ),
        (
            &["--statsd.listen-unix=/run/t,unixgram:///run/s"],
            "--statsd.listen-unix: \"unixgram:///run/s\" is for datagrams; use --statsd.listen-unixgram=/run/s",
        ),
        (&["--statsd.listen-unix=unixstream:/run/s"], "--statsd.listen-unix: \"unixstream:/run/s\" begins with a scheme; write /run/s"),
        (
            &["--statsd.listen-unix=/run/s", "--statsd.listen-unixgram=/run/s"],
            "--statsd.listen-unix: \"/run/s\" is also the path of --statsd.listen-unixgram; each socket needs its own",
        ),
        (
            &["--statsd.listen-tcp=/run/s"],
            "--statsd.listen-tcp: \"/run/s\" is a path, not HOST:PORT; for a Unix stream socket, use --statsd.listen-unix=/run/s",
        ),
        (
            &["--statsd.listen-udp=unixstream:///run/s"],
            "--statsd.listen-udp: \"unixstream:///run/s\" is a path, not HOST:PORT; for a Unix stream socket, use --statsd.listen-unix=/run/s",
        ),
        (&["--statsd.listen-unixgram=@"], "--statsd.listen-unixgram: \"@\" is not a path of a Unix socket: expected 1 to 107 bytes"),
    ] {
        assert_eq!(settings(arguments).err().as_deref(), Some(expected));
    }
    let flags = ["statsd.listen-udp", "statsd.listen-tcp", "web.listen-address", "web.admin-listen-address", "statsd.relay.address"];
    for flag in flags {
        let error = settings(&[&format!("--{flag}=nonsense")]).expect_err("an invalid address");
        assert_eq!(error, format!("--{flag}: \"nonsense\" is not an address: the port is missing; write nonsense:PORT"));
    }
}

#[test]
fn flags_without_effect_are_listed() {
    let given = settings(&["--statsd.cache-size=0", "--debug.dump-fsm="]).unwrap().without_effect;
    assert_eq!(given, ["statsd.cache-size", "debug.dump-fsm"]);
}
