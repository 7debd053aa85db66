//! Files of a request and its supplement: kept by their digests, fetched by whoever answers, and nobody else.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use testkit::{Hostile, World, story};

fn file(name: &str, bytes: &[u8]) -> Value {
    json!({"name": name, "content": STANDARD.encode(bytes)})
}

fn draft(files: Value) -> Value {
    let mut draft = World::draft("legal-person-operation", "2026-12-31");
    draft["attachments"] = files;
    draft
}

story! {
    /// The asker's files are what the authority and the provider read, the supplement's as well; who answers nothing
    /// gets none; a file that was changed under way or where it lies is not used.
    async fn files_reach_whoever_answers(world: World) {
        world.province(40).await;
        let (letter, plan) = (b"%PDF-1.7 \xe6\x8e\x88\xe6\x9d\x83".as_slice(), b"plan".as_slice());
        let asker = world.as_("nj-gxj", "requester").desk().await;
        let files = json!([file("授权书.pdf", letter), file("方案.docx", plan)]);
        let view = asker.post("/v1/requests", draft(files)).await.expect_status(200);
        let body = &view["request"]["body"];
        assert_eq!((&body["attachments"][0]["name"], &body["attachments"][1]["bytes"]), (&json!("授权书.pdf"), &json!(4)));
        assert!(!view.to_string().contains(&STANDARD.encode(letter)), "the signed text names files, it holds none");
        let id = body["id"].as_str().unwrap().to_owned();
        let at = |number: usize| format!("/v1/requests/{id}/attachments/{number}");
        assert_eq!(asker.get(&at(0)).await.body, letter);
        world.answer(&id, "own-department", json!({"verdict": "agree"})).await.expect_status(200);
        world.news(&id).await;
        let approver = world.as_("js-data", "approver").desk().await;
        let reply = approver.get(&at(1)).await;
        assert_eq!((reply.status, &reply.body[..]), (200, plan), "{}", reply.text());
        assert_eq!(reply.field("content-disposition"), Some("attachment"));
        approver.get(&at(2)).await.expect_problem("exchange.attachment_missing", 404);
        world.as_("js-data", "data-steward").get(&at(0)).await.expect_problem("policy.role", 403);

        // What was missing comes with the supplement, behind the others.
        let missing = json!({"verdict": "supplement", "reason": "缺责任书"});
        world.answer(&id, "authority", missing).await.expect_status(200);
        world.news(&id).await;
        let more = json!({"note": "补责任书", "attachments": [file("责任书.ofd", b"signed")]});
        asker.post(&format!("/v1/requests/{id}/supplements"), more).await.expect_status(200);
        assert_eq!(approver.get(&at(2)).await.body, b"signed".as_slice());
        world.answer(&id, "authority", json!({"verdict": "agree"})).await.expect_status(200);
        world.news(&id).await;
        let officer = world.as_("js-scjg", "provider-officer").desk().await;

        // Changed where it lies: neither its keeper nor the provider uses it; mended, both do.
        let folder = world.folder("nj-gxj").join("blob/attachment/ed25519-sha256");
        let hex = vocabulary::Digest::of(letter).hex();
        std::fs::write(folder.join(&hex), b"%PDF-1.7 other").unwrap();
        asker.get(&at(0)).await.expect_problem("exchange.attachment_differs", 502);
        officer.get(&at(0)).await.expect_problem("exchange.attachment_differs", 502);
        std::fs::write(folder.join(&hex), letter).unwrap();
        assert_eq!(officer.get(&at(0)).await.body, letter);
        // It was kept there: the asker may be away, or have lost it.
        std::fs::remove_file(folder.join(&hex)).unwrap();
        assert_eq!(officer.get(&at(0)).await.body, letter);

        // A member that answers nothing of it is told that there is no such request.
        let path = format!("/peer/v1/requests/{id}/attachments/1");
        for (member, status, code) in [("js-scjg", 200, ""), ("nj-data", 404, "exchange.request_missing")] {
            let member = Hostile::member(&world, member);
            let letter = member.write_bytes("GET", &world.host("nj-gxj"), &path, "");
            let reply = member.send(&world, "nj-gxj", letter).await;
            assert_eq!((reply.status, reply.code().as_str()), (status, code), "{}", reply.text());
        }
    }
}

story! {
    /// What is too much, unnamed or no base64 is refused with its place, and no request is made.
    async fn files_that_do_not_fit_are_refused(world: World) {
        world.province(40).await;
        let asker = world.as_("nj-gxj", "requester").desk().await;
        let large = vec![0; usize::try_from(exchange::ATTACHMENT_BYTES_MAX).unwrap() + 1];
        let many: Vec<Value> = (0..=exchange::ATTACHMENTS_MAX).map(|it| file(&format!("{it}.pdf"), b"x")).collect();
        let cases = [
            (json!([file("a.pdf", &large)]), "exchange.attachments", 413),
            (json!([file("a.pdf", b"")]), "exchange.attachments", 413),
            (json!(many), "exchange.attachments", 413),
            (json!([file("../a.pdf", b"x")]), "exchange.attachment_name", 422),
            (json!([file(" ", b"x")]), "exchange.attachment_name", 422),
            (json!([file("授权\u{202e}fdp.exe", b"x")]), "exchange.attachment_name", 422),
            (json!([file("a\u{2066}.pdf", b"x")]), "exchange.attachment_name", 422),
            (json!([file("a.pdf", b"x"), file("a.pdf", b"y")]), "exchange.attachment_name", 422),
            (json!([{"name": "a.pdf", "content": "%%"}]), "exchange.attachment_content", 422),
        ];
        for (files, code, status) in cases {
            asker.post("/v1/requests", draft(files)).await.expect_problem(code, status);
        }
        assert_eq!(asker.get("/v1/requests").await.expect_status(200), json!([]));
        let most = vec![7; usize::try_from(exchange::ATTACHMENT_BYTES_MAX).unwrap()];
        let full: Vec<Value> = (0..exchange::ATTACHMENTS_MAX).map(|it| file(&format!("{it}.pdf"), &most)).collect();
        let view = asker.post("/v1/requests", draft(json!(full))).await.expect_status(200);
        // A supplement that nobody asked for leaves no files.
        let path = format!("/v1/requests/{}/supplements", view["request"]["body"]["id"].as_str().unwrap());
        let more = json!({"note": "补", "attachments": [file("a.pdf", b"unasked")]});
        asker.post(&path, more).await.expect_problem("exchange.turn", 409);
        let folder = world.folder("nj-gxj").join("blob/attachment/ed25519-sha256");
        assert!(!folder.join(vocabulary::Digest::of(b"unasked").hex()).exists());
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), 1, "the files of the request are all the same");
    }
}
