// What ships in docker/: the files agree with each other, with the server's settings and metrics, and hold no secret.
import assert from 'node:assert/strict'
import { readFileSync, readdirSync, statSync } from 'node:fs'
import { test } from 'node:test'
import { parseAllDocuments } from 'yaml'

const root = new URL('../../', import.meta.url)
/** @param {string} path */
const text = (path) => readFileSync(new URL(path, root), 'utf8')
/** @param {string} path @returns {any[]} */
const yaml = (path) => parseAllDocuments(text(path), { merge: true }).map((document) => {
  assert.deepEqual(document.errors, [], path)
  return document.toJS()
})
/** @param {string} folder @returns {string[]} */
const filesUnder = (folder) => readdirSync(new URL(folder, root)).flatMap((name) =>
  statSync(new URL(`${folder}/${name}`, root)).isDirectory() ? filesUnder(`${folder}/${name}`) : [`${folder}/${name}`])

const files = filesUnder('docker')
const [cluster] = yaml('docker/compose.cluster.yaml')
const manifests = readdirSync(new URL('docker/kubernetes', root)).flatMap((name) => yaml(`docker/kubernetes/${name}`))
/** @param {string} kind @param {string} [name] */
const manifest = (kind, name = 'roomtone') => manifests.find((each) => each.kind === kind && each.metadata?.name === name)
const deployment = manifest('Deployment')
const [container] = deployment.spec.template.spec.containers
/** @param {string} name of a bound in milliseconds in server/src/limits.rs */
const limitSeconds = (name) => Number(new RegExp(` ${name}: u64 = ([\\d_]+)`).exec(text('server/src/limits.rs'))?.[1].replaceAll('_', '')) / 1_000
/** From the first signal to the end of the process, with clients that read their close code slowly. */
const stopSeconds = limitSeconds('DRAIN_WINDOW_DEFAULT_MS') + limitSeconds('STOP_MS_MAX') +
  2 * limitSeconds('CLOSE_MS_MAX') + limitSeconds('STORE_CLOSE_MS_MAX') + 1

test('every setting that is named is one of the server', () => {
  const known = new Set(text('server/src/cli.rs').match(/ROOMTONE_[A-Z_]+/g))
  for (const file of files) {
    for (const name of text(file).match(/ROOMTONE_[A-Z_]+/g) ?? []) assert.ok(known.has(name), `${name} in ${file}`)
  }
})

test('every metric on the wall and in an alert is one of the server', () => {
  const known = [...text('server/src/metrics.rs').matchAll(/describe_\w+!\(\s*"(roomtone_\w+)"/g)].map((found) => found[1])
  assert.ok(known.length > 20)
  const asked = ['docker/grafana/dashboard.json', 'docker/prometheus/alerts.yml'].flatMap((file) => text(file).match(/roomtone_[a-z_]+/g) ?? [])
  assert.ok(asked.length > 40)
  for (const name of asked) assert.ok(known.includes(name.replace(/_(bucket|sum|count)$/, '')), name)
})

test('the dashboard has what an operator watches, and each panel a place of its own', () => {
  const { panels } = JSON.parse(text('docker/grafana/dashboard.json'))
  const asked = JSON.stringify(panels)
  for (const name of ['connections', 'rooms', 'updates_in_total', 'commit_seconds', 'durable_seconds', 'backlog_bytes', 'refused_frames_total',
    'refused_connections_total', 'resyncs_total', 'bus_gaps_total', 'bus_repairs_total', 'bus_queue_bytes', 'bus_connected']) {
    assert.ok(asked.includes(`roomtone_${name}`), name)
  }
  assert.equal(new Set(panels.map((/** @type {any} */ { id }) => id)).size, panels.length)
  assert.equal(new Set(panels.map((/** @type {any} */ { gridPos }) => `${gridPos.x} ${gridPos.y}`)).size, panels.length)
})

test('no secret stands in a file', () => {
  const secret = /(PASSWORD|SECRET|REDISCLI_AUTH|SECRET_ACCESS_KEY|ROOMTONE_STORE|ROOMTONE_REDIS)$/
  for (const file of ['docker/compose.yaml', 'docker/compose.cluster.yaml']) {
    for (const [name, service] of Object.entries(yaml(file)[0].services)) {
      for (const [key, value] of Object.entries(service.environment ?? {})) {
        if (secret.test(key)) assert.match(value, /\$\{[A-Z_]+:\?/, `${key} of ${name} in ${file}`)
      }
    }
  }
  for (const [, key, value] of text('docker/env.example').matchAll(/^(\w+)=(.*)$/gm)) {
    if (secret.test(key)) assert.equal(value, '', key)
  }
  for (const each of manifests.filter(({ kind }) => kind === 'Secret')) {
    for (const value of Object.values(each.stringData)) assert.match(value, /^$|:PASSWORD@/)
  }
  for (const { name } of container.env) assert.doesNotMatch(name, secret)
})

test('the balancers, Prometheus and compose mean the same nodes', () => {
  const nodes = Object.keys(cluster.services).filter((name) => name.startsWith('roomtone-'))
  assert.equal(nodes.length, 3)
  const targets = nodes.map((name) => `${name}:4000`)
  for (const file of ['docker/nginx/roomtone.conf', 'docker/haproxy/haproxy.cfg']) {
    assert.deepEqual([...new Set(text(file).match(/roomtone-\d:\d+/g))], targets, file)
  }
  assert.deepEqual(yaml('docker/prometheus/prometheus.yml')[0].scrape_configs[0].static_configs[0].targets, targets)
  assert.match(text('docker/Dockerfile'), /ROOMTONE_LISTEN=0\.0\.0\.0:4000/)
  for (const [name, { image }] of Object.entries(cluster.services)) {
    if (image !== 'roomtone') assert.match(image, /:(v?\d+\.\d+|RELEASE\.\d{4}-)/, `${name} is pinned`)
  }
  for (const service of Object.values(cluster.services)) {
    for (const volume of service.volumes ?? []) {
      const [from] = volume.split(':')
      if (from.startsWith('./')) assert.ok(statSync(new URL(`docker/${from}`, root)), volume)
      else assert.ok(from in cluster.volumes, volume)
    }
  }
})

test('whoever stops a node waits for it', () => {
  for (const [name, service] of Object.entries(cluster.services)) {
    if (name.startsWith('roomtone-')) assert.ok(Number.parseInt(service.stop_grace_period) > stopSeconds, name)
  }
  const pod = deployment.spec.template.spec
  const wait = Number(container.lifecycle.preStop.exec.command[1])
  // By then the probe has failed, or the endpoint is gone.
  assert.ok(wait >= container.readinessProbe.periodSeconds * container.readinessProbe.failureThreshold)
  assert.ok(pod.terminationGracePeriodSeconds > wait + stopSeconds)
})

test('pods are what they should be: no rights, right probes, one at a time, reached by whom they should be', () => {
  const pod = deployment.spec.template.spec
  assert.equal(deployment.spec.replicas, 3)
  assert.equal(deployment.spec.strategy.rollingUpdate.maxUnavailable, 0)
  assert.equal(pod.securityContext.runAsNonRoot, true)
  assert.match(text('docker/Dockerfile'), new RegExp(`^USER ${pod.securityContext.runAsUser}$`, 'm'))
  assert.deepEqual(container.securityContext, { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } })
  assert.equal(container.readinessProbe.httpGet.path, '/readyz')
  assert.equal(container.livenessProbe.httpGet.path, '/livez')
  assert.equal(manifest('PodDisruptionBudget').spec.maxUnavailable, 1)
  const labels = deployment.spec.template.metadata.labels
  for (const selector of [deployment.spec.selector.matchLabels, manifest('PodDisruptionBudget').spec.selector.matchLabels,
    manifest('Service').spec.selector, manifest('NetworkPolicy').spec.podSelector.matchLabels]) assert.deepEqual(selector, labels)
  const ingresses = ['roomtone', 'roomtone-connect'].map((name) => manifest('Ingress', name))
  for (const { path, backend } of ingresses.flatMap(({ spec }) => spec.rules[0].http.paths)) {
    assert.ok(manifest('Service', backend.service.name), path)
  }
  assert.deepEqual(Object.keys(manifest('Secret').stringData), ['ROOMTONE_STORE', 'ROOMTONE_REDIS', 'ROOMTONE_JWT_SECRET'])
  const listed = manifests.find(({ kind }) => kind === 'Kustomization').resources
  const others = readdirSync(new URL('docker/kubernetes', root)).filter((name) => !/^(kustomization|secret\.example)\.yaml$/.test(name))
  assert.deepEqual([...listed].sort(), others.sort())
})

test('balancers wait longer than a node is silent', () => {
  const ping = Number(/PING_MS: u64 = ([\d_]+)/.exec(text('server/src/limits.rs'))?.[1].replaceAll('_', '')) / 1_000
  for (const [file, pattern] of [['docker/nginx/roomtone.conf', /proxy_(?:read|send)_timeout (\d+)s/g],
    ['docker/haproxy/haproxy.cfg', /timeout (?:tunnel|client|server) (\d+)s/g],
    ['docker/kubernetes/ingress.yaml', /proxy-(?:read|send)-timeout: "(\d+)"/g]]) {
    const found = [...text(String(file)).matchAll(/** @type {RegExp} */ (pattern))]
    assert.ok(found.length >= 2, String(file))
    for (const [line, seconds] of found) assert.ok(Number(seconds) >= 2 * ping, `${line} in ${file}`)
  }
})
