import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type DavResource, MultistatusFault, parseMultistatus } from '../../../src/storage/webdav/multistatus.js'
import { collect } from '../../support/collect.js'

async function* pieces(text: string, size: number): AsyncGenerator<Uint8Array> {
  const bytes = new TextEncoder().encode(text)
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

const parse = (text: string, size = 7): Promise<DavResource[]> => collect(parseMultistatus(pieces(text, size)))
const fault =
  (expected: RegExp, cut = false) =>
  (error: unknown) =>
    error instanceof MultistatusFault && error.cut === cut && expected.test(error.message)

const FILE = `<D:response xmlns:lp1="DAV:"><D:href>/a%20b/&#252;&amp;.ltx</D:href><D:propstat><D:prop>
<lp1:resourcetype/><lp1:getcontentlength>42</lp1:getcontentlength>
<lp1:getlastmodified>Tue, 14 Nov 2023 22:13:20 GMT</lp1:getlastmodified><lp1:getetag>"x>y"</lp1:getetag>
</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>`
const document = (body: string) =>
  `<?xml version="1.0" encoding="utf-8"?>\n<D:multistatus xmlns:D="DAV:">${body}</D:multistatus>\n`

test('a WebDAV listing is parsed correctly for any chunk sizes and any namespace prefixes', async () => {
  const expected = [
    { href: '/a%20b/ü&.ltx', isCollection: false, size: 42, modifiedAt: 1_700_000_000_000, etag: '"x>y"' },
  ]
  for (const size of [1, 2, 3, 17, 1000]) assert.deepEqual(await parse(document(FILE), size), expected)
  const plain = FILE.replaceAll('D:', '').replaceAll('lp1:', '').replace('xmlns:lp1', 'xmlns:other')
  assert.deepEqual(await parse(`<multistatus xmlns='DAV:'>${plain}</multistatus>`), expected)
  const cdata = FILE.replace('/a%20b/&#252;&amp;.ltx', '<!-- > --><![CDATA[/a%20b/ü&.ltx]]>')
  assert.deepEqual(await parse(document(cdata)), expected)
})

test('a WebDAV listing may contain folders, missing properties and elements of other namespaces', async () => {
  const body = `<D:response a="1>2"><D:href>/f/</D:href><D:propstat><D:prop><D:resourcetype><D:collection/></D:resourcetype></D:prop>
    <D:status>HTTP/1.1 200 OK</D:status></D:propstat><D:propstat><D:prop><D:getcontentlength>7</D:getcontentlength></D:prop>
    <D:status>HTTP/1.1 404 Not Found</D:status></D:propstat><x:href xmlns:x="urn:x">/evil</x:href></D:response>`
  const [folder] = await parse(document(body))
  assert.deepEqual(folder, {
    href: '/f/',
    isCollection: true,
    size: Number.NaN,
    modifiedAt: Number.NaN,
    etag: undefined,
  })
  assert.deepEqual(await parse(document('')), [])
})

test('in a WebDAV listing, a deleted resource is skipped, and a failed resource makes the listing incomplete', async () => {
  const gone = '<D:response><D:href>/x</D:href><D:status>HTTP/1.1 404 Not Found</D:status></D:response>'
  assert.equal((await parse(document(gone + FILE))).length, 1)
  await assert.rejects(
    parse(document(FILE + gone.replace('404', '507'))),
    fault(/not complete: the server reports HTTP 507/),
  )
})

test('a WebDAV listing that is truncated at any byte is refused', async () => {
  const whole = document(FILE)
  for (let at = whole.indexOf('<D:multi') + 1; at < whole.trimEnd().length; at += 5) {
    await assert.rejects(parse(whole.slice(0, at)), fault(/ends in the middle/, true), whole.slice(0, at))
  }
})

test('a WebDAV listing with hostile XML is refused', async () => {
  const bomb = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
  await assert.rejects(parse(bomb + document('')), fault(/document type/))
  await assert.rejects(parse(`<!doctype html><html></html>`), fault(/document type/))
  await assert.rejects(parse('<html><body>login</body></html>'), fault(/not a listing/))
  await assert.rejects(parse('{"error": 1}<'), fault(/not XML/))
  await assert.rejects(parse('<multistatus/>'), fault(/not a listing/), 'another namespace')
  await assert.rejects(parse(document('<D:response>&b;</D:response>')), fault(/unknown entity/))
  await assert.rejects(parse(document('<D:response>&#0;</D:response>')), fault(/unknown entity/))
  await assert.rejects(parse(document('<D:response></D:href>')), fault(/not closed/))
  await assert.rejects(parse(document('<D:response a=<b></D:response>')), fault(/not closed/))
  await assert.rejects(parse(document('<a>'.repeat(100))), fault(/nested/))
  await assert.rejects(parse(document(`<a ${'x'.repeat(100_000)}/>`), 65_536), fault(/65536 characters/))
  await assert.rejects(
    parse(document(`<D:response><D:href>${'x'.repeat(100_000)}</D:href></D:response>`)),
    fault(/65536/),
  )
  await assert.rejects(parse('<?xml version="1.0" encoding="utf-16"?><a/>'), fault(/encoding "utf-16"/))
  await assert.rejects(parse(`${document('')}<D:more/>`), fault(/not XML/))
  await assert.rejects(collect(parseMultistatus(pieces('', 1))), fault(/ends/, true))
  async function* latin1() {
    yield Buffer.from(document('ü'), 'latin1')
  }
  await assert.rejects(collect(parseMultistatus(latin1())), fault(/UTF-8/))
})
