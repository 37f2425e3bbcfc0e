import assert from 'node:assert/strict'
import { test } from 'node:test'
import { socketFault } from '../src/cli/daemon/control-socket.js'
import { endingSignals } from '../src/cli/signals.js'
import { expandPath } from '../src/config/expand-path.js'
import { isLitestreamError } from '../src/errors.js'
import { comparablePath } from '../src/fs/path-claims.js'
import { type FileLocation, fileUrl } from '../src/storage/file/location.js'
import { isUrl, parseReplicaUrl } from '../src/storage/url.js'
import { expandHome } from '../src/util/home.js'

// What differs on Windows and macOS, in functions that take the system as a parameter. `npm run
// platforms` runs this file with Node.js for Windows, too.

const locationOf = (url: string) => parseReplicaUrl(url, 'win32') as FileLocation

test('on Windows, a file URL with / or \\ gives a path on a drive or a UNC path', () => {
  const paths: Record<string, string> = {
    'file:///C:/backups/app.db': 'C:\\backups\\app.db',
    'file:/C:/backups/app.db': 'C:\\backups\\app.db',
    'file://C:/backups/app.db': 'C:\\backups\\app.db',
    'file://C:\\backups\\app.db': 'C:\\backups\\app.db',
    'file:///c:\\a/./b/../d/': 'c:\\a\\d',
    'file://localhost/C:/x': 'C:\\x',
    'file:///C:/a b/ü': 'C:\\a b\\ü',
    'file:///C:/a%20b': 'C:\\a%20b',
    'file:///C:/a%23b': 'C:\\a#b',
    'file://server/share/x': '\\\\server\\share\\x',
    'file:////server/share/x': '\\\\server\\share\\x',
    'file://\\\\server\\share\\x': '\\\\server\\share\\x',
  }
  for (const [url, path] of Object.entries(paths)) {
    assert.equal(locationOf(url).path, path, url)
  }
})

test('on Windows, a file URL is refused if it has neither a drive nor a server, or names only the root of a drive or share', () => {
  const urls = ['file:///backups/app.db', 'file:///C:', 'file:///C:/', 'file:///C:x', 'file://server/share', 'file:///']
  for (const url of [
    ...urls,
    'file://server',
    'file:x',
    'file:///../x',
    'file:////./pipe/x',
    'file:///C:/a%00b'.replace('%00', '\0'),
  ]) {
    assert.throws(
      () => locationOf(url),
      (error) => isLitestreamError(error, 'INVALID_URL') && error.hint?.includes('file:///C:/backups/app.db'),
      JSON.stringify(url),
    )
  }
})

test('on Windows, the alternatives to a file URL with percent encoding contain the percent-decoded path', () => {
  assert.deepEqual(locationOf('file:///C:/a%20b').alternatives, ['C:\\a b'])
  assert.equal(locationOf('file:///C:/a b').alternatives, undefined)
})

test('on Windows, the file URL of any directory is parsed to this directory', () => {
  for (const folder of [
    'C:\\a b\\c',
    'C:\\a#b',
    'c:\\%23',
    'D:\\ü%20',
    '\\\\server\\share\\a',
    '\\\\server\\share$\\a',
  ]) {
    assert.equal(locationOf(fileUrl(folder, 'win32')).path, folder)
  }
})

test('on Windows, one letter before the colon is a drive, not a URL scheme', () => {
  assert.equal(isUrl('C://x'), false)
  assert.throws(
    () => parseReplicaUrl('C:\\backups\\app.db', 'win32'),
    (error) => isLitestreamError(error, 'INVALID_URL') && error.hint?.includes('file:///C:/PATH'),
  )
})

test('on Windows, a configured path keeps its drive when the path is made absolute', () => {
  assert.equal(expandPath('sqlite:///C:/data/app.db', 'win32'), 'C:\\data\\app.db')
  assert.equal(expandPath('C:/data/../app.db', 'win32'), 'C:\\app.db')
  assert.equal(expandPath('//server/share/app.db', 'win32'), '\\\\server\\share\\app.db')
  assert.equal(expandHome('~\\app.db', 'win32'), expandHome('~/app.db', 'win32'))
  assert.equal(expandHome('~\\app.db', 'linux'), '~\\app.db')
})

test('on Windows and macOS, two paths are one file if they differ only in case or in the form of accents', () => {
  const [a, b] = ['/Data/Ä.db', '/data/a\u0308.db']
  assert.equal(comparablePath(a, 'darwin'), comparablePath(b, 'darwin'))
  assert.equal(comparablePath('C:\\Data', 'win32'), comparablePath('c:\\DATA', 'win32'))
  assert.notEqual(comparablePath(a, 'linux'), comparablePath(b, 'linux'))
})

test('on Windows, the control socket is a named pipe', async () => {
  const fault = await socketFault('C:\\run\\litestream.sock', { platform: 'win32' })
  assert.equal(fault?.code, 'INVALID_ARGUMENT')
  assert.match(fault?.hint ?? '', /\\\\\.\\pipe\\litestream/)
  assert.equal(await socketFault('\\\\.\\pipe\\litestream-nobody', { platform: 'win32', keep: true }), undefined)
})

test('SIGHUP, which Windows sends when the console is closed, ends a command on Windows but not on other systems', () => {
  assert.ok(endingSignals('win32').includes('SIGHUP'))
  assert.ok(!endingSignals('linux').includes('SIGHUP'))
})
