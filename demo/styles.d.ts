// What Vite makes of an import of a stylesheet.
declare module '*.css';
