/** Holds the resolve hook of lib/sdk.mjs: what the SDK imports comes from this folder, as in an application that installed it. */
const SDK = new URL('../../client-sdk-ts/packages/core/dist/', import.meta.url).href
const HERE = import.meta.url

/** @type {import('node:module').ResolveHook} */
export const resolve = (specifier, context, next) =>
  next(specifier, context.parentURL?.startsWith(SDK) && !specifier.startsWith('.') ? { ...context, parentURL: HERE } : context)
