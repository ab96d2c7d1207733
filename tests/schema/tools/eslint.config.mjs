import graphql from "@graphql-eslint/eslint-plugin";

export default [
  {
    files: ["**/*.graphql"],
    languageOptions: { parser: graphql.parser, parserOptions: { graphQLConfig: { schema: "schema.graphql" } } },
    plugins: { "@graphql-eslint": graphql },
    rules: {
      ...graphql.configs["flat/schema-recommended"].rules,
      ...graphql.configs["flat/schema-relay"].rules,
      "@graphql-eslint/input-name": ["error", { checkInputType: true, caseSensitiveInputType: false }],
      // Lists are read forwards; what reads backwards too has all four.
      "@graphql-eslint/relay-arguments": ["error", { includeBoth: false }],
      // `nodes` beside `edges`, and short lists that need no pages.
      "@graphql-eslint/relay-edge-types": ["error", { listTypeCanWrapOnlyEdgeType: false }],
      "@graphql-eslint/no-scalar-result-type-on-mutation": "error",
      // What has an identity implements Node, which demands the id. Pages, events, payloads, errors and figures are
      // values without one, and a cache that took them for objects would confuse them.
      "@graphql-eslint/strict-id-in-types": "off",
    },
  },
];
