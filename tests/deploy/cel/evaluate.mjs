// SPDX-License-Identifier: Apache-2.0
//
// node evaluate.mjs LIBRARY: of a ValidatingAdmissionPolicy's spec and objects, as JSON on
// standard input ({spec, objects}), the messages that each object is refused with, as JSON.
// An expression that cannot be evaluated refuses, as failurePolicy Fail does.
import {pathToFileURL} from 'node:url'
import {readFileSync} from 'node:fs'

const {parse} = await import(pathToFileURL(process.argv[2]))
const {spec, objects} = JSON.parse(readFileSync(0, 'utf8'))

const variables = (spec.variables ?? []).map((v) => [v.name, parse(v.expression)])
const validations = spec.validations.map((v) => [v.message, parse(v.expression)])

// Numbers of objects are integers in CEL, and floats in JavaScript.
function exact(x) {
  if (Number.isInteger(x)) return BigInt(x)
  if (Array.isArray(x)) return x.map(exact)
  if (x && typeof x === 'object')
    return Object.fromEntries(Object.entries(x).map(([k, v]) => [k, exact(v)]))
  return x
}

function refusals(object) {
  const scope = {object: exact(object), variables: {}}

  try {
    for (const [name, run] of variables) scope.variables[name] = run(scope)
  } catch (e) {
    return ['error: ' + e.message]
  }
  return validations.flatMap(([message, run]) => {
    try {
      const verdict = run(scope)
      return verdict === true ? [] : [verdict === false ? message : 'error: no bool']
    } catch (e) {
      return ['error: ' + message + ': ' + e.message]
    }
  })
}

console.log(JSON.stringify(objects.map(refusals)))
