import { Server } from './lib/server.mjs'
import { open, join } from './lib/clients.mjs'
import { RawSocket, readY, yStep1 } from './lib/raw.mjs'
const size = +process.argv[2]
const server = await Server.start({ open: true })
try {
  const a = await open('hocuspocus-4', server, 'big')
  let n=0; while(n<size){ a.insert('t', n, 'abcdefghij'.repeat(1000)); n+=10000; await new Promise(setImmediate) }
  await a.whenSaved(20000); console.log('saved', n)
  for (const kind of ['y-websocket-3','hocuspocus-4','y-sweet']) {
    const t=performance.now(); const b = join(kind, server, 'big')
    try { await b.whenSynced(5000); console.log(kind,'live open',(performance.now()-t).toFixed(1), b.text('t').length) } catch(e) { console.log(kind,'LIVE OPEN FAILED', e.message.slice(0,300)) }
    b.destroy()
  }
  a.destroy()
  await server.restart('SIGKILL')
  for (const kind of ['y-websocket-3','hocuspocus-4','y-sweet']) {
    const t=performance.now(); const b = join(kind, server, 'big')
    try { await b.whenSynced(5000); console.log(kind,'cold open',(performance.now()-t).toFixed(1), b.text('t').length) } catch(e) { console.log(kind,'COLD OPEN FAILED', e.message.slice(0,300)) }
    b.destroy()
  }
} finally { console.log(server.tail(8)); await server.kill(); }
