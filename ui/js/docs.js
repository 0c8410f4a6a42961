// The API reference: Swagger UI on the service's own document, with the page's login and samples in four languages.
import { me, session } from "ui/api.js";
import { samplesOf } from "ui/samples.js";
import { t } from "ui/words.js";

const LANGUAGES = ["curl", "Python", "Java", "Go"];

function showWho(found) {
  const place = document.getElementById("who");
  place.replaceChildren();
  Object.keys(me).forEach((name) => delete me[name]);
  Object.assign(me, found.csrf ? found : {});
  const button = Object.assign(document.createElement("button"), { textContent: found.csrf ? t("logout") : t("login.go") });
  if (found.csrf) {
    button.onclick = () => session.close().then(() => showWho({}));
    place.append(button);
    return;
  }
  const form = document.createElement("form");
  const input = (name, type, label) => Object.assign(document.createElement("input"), { name, type, placeholder: label, ariaLabel: label, required: true });
  form.append(input("account", "text", t("account")), input("password", "password", t("password")), button);
  form.onsubmit = (event) => {
    event.preventDefault();
    const given = Object.fromEntries(new FormData(form));
    session.open({ as: "account", accountName: given.account, password: given.password })
      .then(showWho, (error) => { form.title = error.message; form.elements.password.setCustomValidity(error.message); form.reportValidity(); });
  };
  form.oninput = () => form.elements.password.setCustomValidity("");
  place.append(form);
}

/** Samples above the answers of each operation, and a search through all of them. */
const plugin = ({ React, ...system }) => ({
  fn: {
    opsFilter: (groups, phrase) => {
      const wanted = phrase.toLowerCase();
      return groups.map((group) => group.update("operations", (operations) => operations.filter((operation) =>
        [operation.get("path"), operation.getIn(["operation", "operationId"]), operation.getIn(["operation", "x-apis"]), operation.getIn(["operation", "summary"])]
          .some((text) => String(text || "").toLowerCase().includes(wanted)))))
        .filter((group) => group.get("operations").size);
    },
  },
  wrapComponents: {
    // The path of an operation is inside the button that opens it, where a link could not be reached.
    DeepLink: () => ({ text }) => React.createElement("span", null, text),
    responses: (Original) => (props) => React.createElement(React.Fragment, null,
      React.createElement(Samples, { React, path: props.path, method: props.method, spec: () => system.specSelectors?.specJson?.() ?? props.specSelectors.specJson() }),
      React.createElement(Original, props)),
  },
});

function Samples({ React, path, method, spec }) {
  const [language, setLanguage] = React.useState("curl");
  const text = React.useMemo(() => samplesOf(spec().toJS(), path, method), [path, method]);
  return React.createElement("div", { className: "samples" },
    React.createElement("div", { className: "segments" }, LANGUAGES.map((name) => React.createElement("button", {
      key: name, type: "button", "aria-pressed": name === language, onClick: () => setLanguage(name) }, name))),
    React.createElement("pre", { tabIndex: 0, "data-sample": language }, text[language]));
}

/** Names for the fields that Swagger UI leaves without one: what stands in their row, or what they are. */
function nameFields(place) {
  for (const field of place.querySelectorAll("select:not([aria-label]), textarea:not([aria-label]), input:not([aria-label])")) {
    if ([...(field.labels || [])].some((label) => !label.contains(field) || label.firstChild !== field)) continue;
    const row = field.closest("tr")?.dataset.paramName;
    field.setAttribute("aria-label", row || (field.id === "servers" ? t("docs.server") : field.tagName === "TEXTAREA" ? t("docs.body") : field.placeholder || t("docs.choice")));
  }
}
new MutationObserver(() => nameFields(document.getElementById("swagger"))).observe(document.getElementById("swagger"), { childList: true, subtree: true });

showWho(await session.show().catch(() => ({})));
window.SwaggerUIBundle({
  url: "/zstack/v1/openapi.json",
  dom_id: "#swagger",
  deepLinking: true,
  docExpansion: "none",
  filter: true,
  defaultModelsExpandDepth: -1,
  displayOperationId: true,
  displayRequestDuration: true,
  tryItOutEnabled: true,
  validatorUrl: null,
  syntaxHighlight: { activated: false },
  plugins: [plugin],
  requestInterceptor: (request) => {
    if (me.csrf && new URL(request.url, location.href).origin === location.origin) request.headers["X-CSRF-Token"] = me.csrf;
    return request;
  },
});
