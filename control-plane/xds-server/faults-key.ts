/** Where CSDS shows the faults on purpose of a proxy: in the metadata of its node, as it has no field for them. */
export const faultsKey = 'outrigger.dev/faults';
