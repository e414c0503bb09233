//! Thousands of tokens: looked through, changed, and found again after a restart.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use filmgate_domain::{
    Catalog, RoutingSettings, Rules, Secret, Standing, Timestamp, TokenId, TokenInfo, TokenStatus,
};
use filmgate_engine::{
    Deed, Engine, LoadLimits, OperatorError, Outside, Parts, Settings, SystemClock, TokenFilter, TokenQuery,
    TokenSort,
};
use filmgate_store::{MasterKey, Store};
use rand::SeedableRng as _;
use rand::rngs::StdRng;

async fn start(dir: &Path, key: &MasterKey) -> Engine {
    let settings = Settings {
        catalog: Arc::new(Catalog::founding()),
        routing: RoutingSettings::default(),
        rules: Rules::default(),
        load: LoadLimits { max_unfinished: 1000, max_waiting: 100 },
        busy_wait: Duration::ZERO,
        deadline: Duration::from_secs(900),
        fail_threshold: 5,
        first_pause: Duration::from_secs(60),
        keep: Duration::from_secs(3600),
        max_bytes: 1 << 30,
        max_file: 1 << 20,
        public_url: "http://127.0.0.1".to_owned(),
        link_ttl: Duration::from_secs(60),
        outside: Arc::new(Outside::new(false, Duration::from_secs(1)).unwrap()),
        upstreams: HashMap::new(),
    };
    let parts = Parts {
        store: Store::open(&dir.join("test.db"), key).unwrap(),
        timer: Arc::new(SystemClock),
        rng: StdRng::seed_from_u64(1),
        media_dir: dir.join("media"),
        link_key: [0; 32],
        works: false,
        on_end: None,
        settings,
    };
    Engine::start(parts).await.unwrap()
}

/// Tokens `tok_1`, `tok_2`, ...: every third in Super, every tenth with a note, each used as often as its number.
fn tokens(count: u64) -> Vec<TokenInfo> {
    let token = |n: u64| {
        let pool = if n.is_multiple_of(3) { "ssoSuper" } else { "ssoBasic" };
        let secret = Secret::new(format!("a-token-of-some-length-{n:06}"));
        let mut info = TokenInfo::new(TokenId(0), pool, secret, Timestamp::from_millis(0));
        info.use_count = n;
        info.note = if n.is_multiple_of(10) { "Spare".to_owned() } else { String::new() };
        info
    };
    (1..=count).map(token).collect()
}

fn of(pool: &str) -> TokenFilter {
    TokenFilter { pool: pool.to_owned(), ..TokenFilter::default() }
}

#[tokio::test]
async fn a_page_has_its_part_of_those_that_match() {
    let dir = tempfile::tempdir().unwrap();
    let engine = start(dir.path(), &MasterKey::generate()).await;
    engine.add_tokens(tokens(3_000)).await.unwrap();
    engine.change_token(TokenId(30), Deed::Disable).await.unwrap();
    let filter = TokenFilter { text: "spare".to_owned(), ..of("ssoSuper") };
    let (sort, descending) = (TokenSort::Uses, true);
    let query = TokenQuery { filter, after: None, sort, descending, skip: 10, take: 3 };
    let page = engine.token_page(&query);
    let ids: Vec<i64> = page.tokens.iter().map(|view| view.info.id.0).collect();
    assert_eq!(ids, [2_700, 2_670, 2_640]);
    assert_eq!((page.matching, page.total), (100, 3_000));
    let standing = |wanted| page.standings[Standing::ALL.iter().position(|s| *s == wanted).unwrap()];
    assert_eq!((standing(Standing::Ready), standing(Standing::Disabled)), (99, 1));
    let disabled = TokenFilter { standings: vec![Standing::Disabled], ..TokenFilter::default() };
    assert_eq!(engine.matching_tokens(&disabled), [TokenId(30)]);
    let view = engine.token(TokenId(30)).unwrap();
    assert_eq!((view.standing, view.granted, view.info.quota), (Standing::Disabled, Some(140), Some(140)));
    assert_eq!(engine.tokens().len(), 3_000);
}

#[tokio::test]
async fn thousands_are_changed_at_once_and_stay_so() {
    let dir = tempfile::tempdir().unwrap();
    let key = MasterKey::generate();
    let engine = start(dir.path(), &key).await;
    engine.add_tokens(tokens(6_000)).await.unwrap();
    let basic = engine.matching_tokens(&of("ssoBasic"));
    assert_eq!(basic.len(), 4_000);
    let twice_and_nobody = [&basic[..], &basic[..1], &[TokenId(99_999)]].concat();
    let changed = engine.change_tokens(&twice_and_nobody, Deed::Disable).await.unwrap();
    assert_eq!((changed.done, changed.unknown), (basic, vec![TokenId(99_999)]));
    let removed = engine.matching_tokens(&TokenFilter { text: "spare".to_owned(), ..TokenFilter::default() });
    assert_eq!(engine.change_tokens(&removed, Deed::Remove).await.unwrap().done.len(), 600);
    assert_eq!(engine.change_tokens(&removed, Deed::Reset).await.unwrap().unknown.len(), 600);
    assert!(engine.stop(Duration::from_secs(5)).await);

    let engine = start(dir.path(), &key).await;
    let views = engine.tokens();
    assert_eq!(views.len(), 5_400);
    let as_switched = |info: &TokenInfo| {
        (info.status == TokenStatus::Disabled) == (*info.pool == *"ssoBasic") && info.note.is_empty()
    };
    assert!(views.iter().all(|view| as_switched(&view.info)));
}

#[tokio::test]
async fn words_and_pardons_are_written_down() {
    let dir = tempfile::tempdir().unwrap();
    let key = MasterKey::generate();
    let engine = start(dir.path(), &key).await;
    let blamed = |mut info: TokenInfo| {
        (info.fail_count, info.failures_in_a_row) = (7, 5);
        info.status = TokenStatus::Expired;
        info
    };
    engine.add_tokens(tokens(2).into_iter().map(blamed).collect()).await.unwrap();
    let nobody = TokenId(9);
    engine.forgive_token(TokenId(1)).await.unwrap();
    engine.label_token(TokenId(1), vec!["eu".to_owned()], "mine".to_owned()).await.unwrap();
    assert!(
        matches!(engine.forgive_token(nobody).await, Err(OperatorError::NoSuchToken(id)) if id == nobody)
    );
    assert!(engine.label_token(nobody, Vec::new(), String::new()).await.is_err());
    assert!(engine.change_token(nobody, Deed::Enable).await.is_err());
    assert!(engine.stop(Duration::from_secs(5)).await);

    let engine = start(dir.path(), &key).await;
    let info = engine.token(TokenId(1)).unwrap().info;
    assert_eq!((info.status, info.fail_count, info.failures_in_a_row), (TokenStatus::Active, 6, 4));
    assert_eq!((info.tags, &*info.note), (vec!["eu".to_owned()], "mine"));
    assert_eq!(engine.token(TokenId(2)).unwrap().info.status, TokenStatus::Expired);
}
