// The generated client against a node that serves: main.js ADDRESS ORGANISATION TOKEN FILE
import { type Found, type ImportReport, Refused, Yunhe } from "../../../clients/typescript/yunhe.js";

declare const process: { argv: string[]; exitCode: number };
declare const console: { log(text: string): void; error(text: string): void };

function expect(holds: boolean, what: string): void {
  if (!holds) throw new Error(what);
}

async function refused(what: Promise<unknown>): Promise<string> {
  try {
    await what;
  } catch (error) {
    if (error instanceof Refused) return `${error.problem.status} ${error.problem.code}`;
    throw error;
  }
  throw new Error("it was not refused");
}

const [address = "", organisation = "", token = "", file = ""] = process.argv.slice(2);
const node = new Yunhe(address, { organisation, token });
const stranger = new Yunhe(address, { organisation });

const packs = await node.packs();
expect(packs.some((it) => it.id === "legal-persons" && it.records.includes("legal-person")), "the pack is there");

const report: ImportReport = await node.import(file, {
  record: "legal-person",
  name: "typescript.csv",
  why: "样例 sample",
  reviewed_by: "张三",
  reviewed_on: "2026-01-05",
});
expect(report.done && report.loaded === 2 && report.rejected === 1, `two of three rows: ${JSON.stringify(report)}`);
const rejects = await (await node.importRejects(report.id)).text();
expect(rejects.includes("value.check_digit"), rejects);

const first = await node.records("legal-person", { limit: 1 });
expect(first.rows.length === 1 && first.next?.length === 1, "a page of one row, and a key to go on behind");
const second = await node.recordPage("legal-person", { limit: 2, after: first.next ?? [] });
expect(second.rows.length === 1 && second.next === null, "the second page is the last");
const key = String(second.rows[0]?.["uscc"]);
const found = await node.recordPage("legal-person", { where: `row.uscc == "${key}"` });
expect(found.rows[0]?.["name"] === second.rows[0]?.["name"], "text goes there and back");
const kind = (await node.recordTypes()).find((it) => it.name === "legal-person");
expect(kind?.rows === 2, `the count: ${JSON.stringify(kind)}`);

const catalog: Found = await node.searchCatalog({ q: "法人" });
expect(catalog.total === catalog.hits.length, "nothing was published without a review, and the answer says so");

expect((await refused(node.agreement("agr_1"))) === "422 web.path", "an id that is none");
expect((await refused(stranger.records("legal-person"))) === "401 identity.token", "a stranger");
expect((await stranger.logFile("checkpoint")).ok, "the log is public");
console.log(`the TypeScript client: ${report.loaded} rows imported and read`);
