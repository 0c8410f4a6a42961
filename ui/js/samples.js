// A call of an API as one writes it with curl, in Python, Java and Go.

/** {curl, Python, Java, Go} of an operation of the OpenAPI document. */
export function samplesOf(spec, path, method) {
  const operation = spec.paths[path][method];
  const parameters = operation.parameters || [];
  const required = parameters.filter((one) => one.in === "query" && one.required).map((one) => `${one.name}=`);
  const target = path.replace(/\{(\w+)\}/g, (_, name) => `$${name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`) + (required.length ? `?${required.join("&")}` : "");
  const content = operation.requestBody?.content?.["application/json"];
  const body = content && JSON.stringify(content.example ?? Object.values(content.examples || {})[0]?.value ?? skeleton(spec, content.schema), null, 2);
  const verb = method.toUpperCase();
  const open = operation.security && !operation.security.length;
  return { curl: curl(verb, target, body, open), Python: python(verb, target, body, open), Java: java(verb, target, body, open), Go: go(verb, target, body, open) };
}

/** What a body of this schema looks like, with the parts that must be there. */
function skeleton(spec, schema, depth = 0) {
  if (!schema || depth > 8) return null;
  if (schema.$ref) return skeleton(spec, schema.$ref.slice(2).split("/").reduce((at, part) => at[part], spec), depth + 1);
  if (schema.example !== undefined) return schema.example;
  if (schema.default !== undefined && schema.default !== null) return schema.default;
  if (schema.enum) return schema.enum[0];
  const choice = (schema.anyOf || schema.oneOf || schema.allOf || [])[0];
  if (choice) return skeleton(spec, choice, depth + 1);
  if (schema.type === "array") return [skeleton(spec, schema.items, depth + 1)];
  if (schema.properties) {
    const names = Object.keys(schema.properties).filter((name) => (schema.required || []).includes(name) || depth === 0);
    return Object.fromEntries(names.filter((name) => !/Tags$/.test(name)).map((name) => [name, skeleton(spec, schema.properties[name], depth + 1)]));
  }
  return { string: "…", integer: 0, number: 0, boolean: false }[schema.type] ?? {};
}

const indent = (text, by) => text.split("\n").join(`\n${" ".repeat(by)}`);
const shell = (text) => text.replaceAll("'", "'\\''");

function curl(verb, target, body, open) {
  const lines = [`curl -X ${verb} "$ZSTACK${target}"`];
  if (!open) lines.push('-H "Authorization: OAuth $SESSION"');
  if (body) lines.push(`-d '${shell(body)}'`);
  return lines.join(" \\\n  ");
}

const python_ = (body) => body.replace(/\b(true|false|null)\b(?=[,\n}\]]|$)/g, (word) => ({ true: "True", false: "False", null: "None" })[word]);
function python(verb, target, body, open) {
  const path = target.replace(/\$([A-Z_]+)/g, (_, name) => `{${name.toLowerCase()}}`);
  return `import requests

reply = requests.${verb.toLowerCase()}(
    f"{zstack}${path}",${open ? "" : '\n    headers={"Authorization": f"OAuth {session}"},'}${body ? `\n    json=${indent(python_(body), 4)},` : ""}
)
while reply.status_code == 202:
    reply = requests.get(reply.json()["location"], headers={"Prefer": "wait=10"${open ? "" : ', "Authorization": f"OAuth {session}"'}})
print(reply.json())`;
}

const parts = (target) => target.split(/(\$[A-Z_]+)/).filter(Boolean).map((part) => (part[0] === "$" ? part.slice(1).toLowerCase().replace(/_(\w)/g, (_, letter) => letter.toUpperCase()) : JSON.stringify(part))).join(" + ");
function java(verb, target, body, open) {
  const publisher = body ? `BodyPublishers.ofString("""\n        ${indent(body.replaceAll("\\", "\\\\"), 8)}""")` : "BodyPublishers.noBody()";
  return `HttpRequest request = HttpRequest.newBuilder(URI.create(zstack + ${parts(target)}))${open ? "" : '\n    .header("Authorization", "OAuth " + session)'}
    .method("${verb}", ${publisher})
    .build();
HttpResponse<String> reply = HttpClient.newHttpClient().send(request, BodyHandlers.ofString());
System.out.println(reply.statusCode() + " " + reply.body());`;
}

function go(verb, target, body, open) {
  const reader = body ? `strings.NewReader(\`${body.replaceAll("`", "'")}\`)` : "nil";
  return `request, err := http.NewRequest("${verb}", zstack+${parts(target).replaceAll(" + ", "+")}, ${reader})
if err != nil {
	log.Fatal(err)
}${open ? "" : '\nrequest.Header.Set("Authorization", "OAuth "+session)'}
reply, err := http.DefaultClient.Do(request)
if err != nil {
	log.Fatal(err)
}
defer reply.Body.Close()
io.Copy(os.Stdout, reply.Body)`;
}
