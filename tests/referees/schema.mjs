// Holds the VRM extensions of GLB files against the VRM schemas, as @pixiv/types-vrmc-* state them.
//   node schema.mjs FILE...   prints one JSON line a file: [{extension, path, message}, ...]
// Names, nesting, required members and permitted words are judged; a member no schema knows is one
// more finding. Number ranges are not in those types.
import fs from 'fs';
import path from 'path';
import { fileURLToPath } from 'url';
import Ajv from 'ajv';
import { createGenerator } from 'ts-json-schema-generator';

const modules = path.join(path.dirname(fileURLToPath(import.meta.url)), 'node_modules', '@pixiv');
const types = {
  VRMC_vrm: ['types-vrmc-vrm-1.0', 'VRMCVRM'],
  VRMC_springBone: ['types-vrmc-springbone-1.0', 'VRMCSpringBone'],
  VRMC_node_constraint: ['types-vrmc-node-constraint-1.0', 'VRMCNodeConstraint'],
  VRMC_vrm_animation: ['types-vrmc-vrm-animation-1.0', 'VRMCVRMAnimation'],
};
const judges = {};

function judge(extension) {
  const [folder, type] = types[extension];
  judges[extension] ??= new Ajv({ allErrors: true, strict: false }).compile(
    withoutDraft(createGenerator({
      path: path.join(modules, folder, 'types', `${type}.d.ts`), type, skipTypeCheck: true,
    }).createSchema(type)),
  );
  return judges[extension];
}

// The types keep two members of a draft that VRM 1.0's schema of an expression does not have: there
// the place under `preset` or `custom` names it.
function withoutDraft(schema) {
  const expression = schema.definitions.Expression;
  if (expression) {
    delete expression.properties.name;
    delete expression.properties.preset;
    delete expression.required;
  }
  return schema;
}

for (const file of process.argv.slice(2)) {
  const bytes = fs.readFileSync(file);
  const json = JSON.parse(bytes.subarray(20, 20 + bytes.readUInt32LE(12)).toString('utf8'));
  const holders = [json, ...(json.nodes ?? [])].flatMap((holder) =>
    Object.entries(holder.extensions ?? {}));
  const found = holders.filter(([name]) => name in types).flatMap(([extension, value]) =>
    judge(extension)(value) ? [] : judge(extension).errors.map((error) => ({
      extension, path: error.instancePath, message: error.message, ...error.params,
    })));
  console.log(JSON.stringify(found));
}
