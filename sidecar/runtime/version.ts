/** Of this program, as package.json has it. Apart, so that who only wants to know it does not load a sidecar. */
export const version = '0.1.0';
