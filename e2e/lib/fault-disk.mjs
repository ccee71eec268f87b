/**
 * Holds a disk that fails on command, for one server process: builds lib/shim.c and steers it through its control file.
 */
import { execFileSync } from 'node:child_process'
import { closeSync, mkdirSync, mkdtempSync, openSync, readSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const MODE_BYTES = 64
const CONTROL_BYTES = 128
const SOURCE = fileURLToPath(new URL('shim.c', import.meta.url))

export class FaultDisk {
  /** `dataFolder` is created here if missing: the shim resolves it once, when the server starts. */
  constructor (dataFolder) {
    this.folder = mkdtempSync(join(tmpdir(), 'roomtone-fault-'))
    this.library = join(this.folder, 'shim.so')
    this.control = join(this.folder, 'control')
    this.dataFolder = dataFolder
    mkdirSync(dataFolder, { recursive: true })
    try {
      execFileSync('gcc', ['-shared', '-fPIC', '-O2', '-o', this.library, SOURCE, '-ldl'], { stdio: 'pipe' })
    } catch (cause) {
      throw new Error('the failing disk needs gcc (Debian: apt-get install gcc libc6-dev)', { cause })
    }
    writeFileSync(this.control, Buffer.alloc(CONTROL_BYTES))
    this.ok()
  }

  /** What the server's environment needs. */
  get env () {
    return { LD_PRELOAD: this.library, ROOMTONE_FAULT: this.control, ROOMTONE_FAULT_DIR: this.dataFolder }
  }

  ok () {
    this.#set('ok')
  }

  /** Writes and growth of files fail: no space left. */
  full () {
    this.#set('enospc')
  }

  /** Syncs fail: input/output error. */
  broken () {
    this.#set('eio')
  }

  /** Every sync takes `ms` longer. */
  slow (ms) {
    this.#set(`slow ${ms}`)
  }

  /** How often the server met the shim: proof that a fault was really there. */
  get counts () {
    const bytes = Buffer.alloc(CONTROL_BYTES)
    const fd = openSync(this.control, 'r')
    readSync(fd, bytes, 0, CONTROL_BYTES, 0)
    closeSync(fd)
    const at = (n) => Number(bytes.readBigUInt64LE(MODE_BYTES + 8 * n))
    return { writes: at(0), syncs: at(1), failed: at(2), delayed: at(3) }
  }

  remove () {
    rmSync(this.folder, { recursive: true, force: true })
  }

  #set (mode) {
    const bytes = Buffer.alloc(MODE_BYTES)
    bytes.write(mode)
    const fd = openSync(this.control, 'r+')
    writeSync(fd, bytes, 0, MODE_BYTES, 0)
    closeSync(fd)
  }
}
