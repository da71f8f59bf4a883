// Swagger UI over our own description. Nothing is inline and nothing comes from elsewhere: the policy holds here too.

(() => {
  const place = document.getElementById("api-docs");
  const csrfToken = () => document.querySelector("[name=csrfmiddlewaretoken]")?.value ?? "";

  SwaggerUIBundle({
    url: place.dataset.schema,
    domNode: place,
    presets: [SwaggerUIBundle.presets.apis],
    layout: "BaseLayout",
    deepLinking: true,
    docExpansion: "list",
    filter: true,
    displayRequestDuration: true,
    defaultModelsExpandDepth: -1,
    validatorUrl: null,
    // The reader's session writes only with the token of a form; a bearer token needs none.
    requestInterceptor: (request) => {
      if (!request.loadSpec && request.method !== "GET") request.headers["X-CSRFToken"] = csrfToken();
      return request;
    },
  });
})();
