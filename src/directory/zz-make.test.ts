import { test } from "vitest";
import { writeFileSync } from "node:fs";
import { encodeRecord } from "/work/main/src/directory/records.ts";
import { hashUserName } from "/work/main/src/directory/user-name.ts";
import { createWebVerifier } from "/work/main/src/crypto/index.ts";
import { bytesToHex, bytesToId, parseHex } from "/work/main/src/std/index.ts";
const k = (n:number)=>bytesToId("AuthorKey", new Uint8Array(32).fill(n));
const h = (n:number)=>bytesToId("CommitHash", new Uint8Array(32).fill(n));
const d = (n:number)=>bytesToId("DbId", new Uint8Array(16).fill(n));
const f = (n:number)=>new Uint8Array(32).fill(n);
test("make", () => {
  const rs:any[] = [
    ["grant", {kind:"grantaccess",userKey:k(1),encryptionKey:f(2),nameHash:f(3)}],
    ["revocation of everything", {kind:"revokeaccess",userKey:k(1),cuts:[]}],
    ["revocation with cuts in two databases", {kind:"revokeaccess",userKey:k(1),cuts:[{dbId:d(4),heads:[h(5)]},{dbId:d(6),heads:[h(7),h(8)]}]}],
    ["member card", {kind:"membercard",userKey:k(1),userName:"cn=guest/o=acme"}],
    ["member card beyond ASCII", {kind:"membercard",userKey:k(255),userName:"Åse 👩‍🚀"}],
  ];
  const records = rs.map(([name,record])=>({name,hex:bytesToHex(encodeRecord(record)),record:{...record, ...(record.encryptionKey?{encryptionKey:bytesToHex(record.encryptionKey),nameHash:bytesToHex(record.nameHash)}:{})}}));
  const u="01".repeat(32), r = (b:string)=>"0102"+u+b;
  const db=(n:string)=>n.repeat(16), hd=(n:string)=>n.repeat(32);
  const failures = [
    ["nothing",""],["version only","01"],["version 0","0001"+u+hd("02")+hd("03")],["version 2","0201"+u+hd("02")+hd("03")],
    ["kind 0","0100"+u],["kind 4","0104"+u],["grant, truncated","0101"+u+hd("02")+hd("03").slice(2)],["grant, trailing byte","0101"+u+hd("02")+hd("03")+"00"],
    ["cut without heads", r("01"+db("04")+"00")],["heads not ascending", r("01"+db("04")+"02"+hd("08")+hd("07"))],["head twice", r("01"+db("04")+"02"+hd("07")+hd("07"))],
    ["databases not ascending", r("02"+db("06")+"01"+hd("05")+db("04")+"01"+hd("05"))],["database twice", r("02"+db("04")+"01"+hd("05")+db("04")+"01"+hd("06"))],
    ["count of cuts not shortest", r("8000")],["count of cuts over its limit", r("914e")],["count of heads over its limit", r("01"+db("04")+"8108")],
    ["more cuts than bytes", r("02"+db("04")+"01"+hd("05"))],
    ["card with an empty name","0103"+u+"00"],["card, not UTF-8","0103"+u+"02c328"],["card, encoded surrogate","0103"+u+"03eda080"],["card over 256 bytes","0103"+u+"8102"+"61".repeat(257)],["card, length not shortest","0103"+u+"810061"],
  ].map(([name,hex])=>({name,hex}));
  for (const x of failures) if(!parseHex(x.hex!) ) throw new Error(x.name);
  writeFileSync("/work/main/src/directory/records.vectors.json", JSON.stringify({records,failures},null,2)+"\n");
  console.log(bytesToHex(hashUserName(createWebVerifier(), new Uint8Array(32).fill(7), "ada")));
});
