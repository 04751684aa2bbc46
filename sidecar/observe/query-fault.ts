/** What a query got wrong, for who asked. */
export class QueryFault extends Error {}
